"""Fair turns: every contestant runs in a process of its own, and waits while the others have their turn."""

import argparse
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import Any, TypeVar

from tqdm import tqdm

from benchmarks.contestants import PROJECT

T = TypeVar("T")


def take_turns(names: Iterable[str], turn: Callable[..., T], rounds: Sequence[tuple[Any, ...]]) -> dict[str, list[T]]:
    """Return the results of `turn(name, *arguments)` for each name and the arguments of each round.

    A peer that fails is left out, with a message; where this project fails, its error is raised.

    Parameters
    ----------
    names : iterable of str
        The contestants, in their order.
    turn : (name, *arguments) -> T
        A function of a module, which the processes import.
    rounds : sequence of tuple
        The arguments of each round.
    """
    results: dict[str, list[T]] = {name: [] for name in names}
    context, ignore = multiprocessing.get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
    with ExitStack() as stack:
        # Ctrl-C ends this process, and the others with it after their turn.
        alone = {name: stack.enter_context(ProcessPoolExecutor(1, context, signal.signal, ignore)) for name in results}
        for arguments in tqdm(rounds, "rounds", disable=None):
            for name in list(results):
                try:
                    results[name].append(alone[name].submit(turn, name, *arguments).result())
                # A peer may raise anything.
                except Exception as error:
                    if name == PROJECT:
                        raise
                    tqdm.write(f"{name} does not run: {type(error).__name__}: {error}".splitlines()[0])
                    del results[name]
    return results


def positive(text: str) -> int:
    """Return the number of a command line's option, which should be 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number, 1 or more")
    return int(text)
