"""Fair turns: every contestant runs in its own process, and waits during the turns of the others."""

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

    `turn` is a function of a module, which each process imports. Another library that fails, for example because it is
    not installed, is left out with a message; an error of this project is raised.
    """
    results: dict[str, list[T]] = {name: [] for name in names}
    context, ignore = multiprocessing.get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
    with ExitStack() as stack:
        # Ctrl-C ends this process, which ends the others after their turn.
        alone = {name: stack.enter_context(ProcessPoolExecutor(1, context, signal.signal, ignore)) for name in results}
        for number, arguments in enumerate(tqdm(rounds, "rounds", disable=None)):
            # In a new order each time: after a program with one thread, the next one finds the other cores asleep.
            for name in random.Random(number).sample(list(results), len(results)):  # noqa: S311 (no secret)
                try:
                    results[name].append(alone[name].submit(turn, name, *arguments).result())
                # Another library may raise any error.
                except Exception as error:
                    if name == PROJECT:
                        raise
                    tqdm.write(f"{name} does not run: {type(error).__name__}: {error}".splitlines()[0])
                    del results[name]
    return results
