"""Fair turns: every contestant runs in a process of its own, and waits while the others have their turn."""

import multiprocessing
import random
import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import Any, TypeVar

from benchmarks.contestants import PROJECT
from mnist.progress import tqdm

T = TypeVar("T")


def take_turns(names: Iterable[str], turn: Callable[..., T], rounds: Sequence[tuple[Any, ...]]) -> dict[str, list[T]]:
    """Return the results of `turn(name, *arguments)` for each name, with the arguments of each round.

    The processes import `turn`, a function of a module. A peer that fails, as one does that is not installed, is left
    out with a message; where this project fails, its error is raised.
    """
    results: dict[str, list[T]] = {name: [] for name in names}
    context, ignore = multiprocessing.get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
    with ExitStack() as stack:
        # Ctrl-C ends this process, and the others with it after their turn.
        alone = {name: stack.enter_context(ProcessPoolExecutor(1, context, signal.signal, ignore)) for name in results}
        for number, arguments in enumerate(tqdm(rounds, "rounds", disable=None)):
            # In another order each time: a program that comes after one of a single thread finds other cores asleep.
            for name in random.Random(number).sample(list(results), len(results)):  # noqa: S311 (no secret)
                try:
                    results[name].append(alone[name].submit(turn, name, *arguments).result())
                # A peer may raise anything.
                except Exception as error:
                    if name == PROJECT:
                        raise
                    tqdm.write(f"{name} does not run: {type(error).__name__}: {error}".splitlines()[0])
                    del results[name]
    return results
