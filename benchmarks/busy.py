"""Busy machine: the time of an epoch with one process and with more, alone and beside a program that uses a whole core.

The work is the same as in the race, split into four shards. Writes the seconds to `benchmarks/results/busy.csv`.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from benchmarks.machine import save_results
from benchmarks.race import PLAIN
from benchmarks.work import Work
from mnist.errors import plain_errors
from mnist.fingerprint import blas_threads
from mnist.progress import tqdm
from mnist.recipe import Recipe

PROCESSES, PROGRAMS = (1, 2, 4), (0, 1)
ROUNDS, EPOCHS = 5, 3


class Company(NamedTuple):
    """Median seconds of an epoch, and their ratio to one process beside as many programs in the same round."""

    processes: int
    programs: int
    seconds: float
    ratio: float


@contextmanager
def keep_busy(programs: int) -> Iterator[None]:
    """Run this many programs, each of which keeps a core busy, for the duration of the block."""
    # A program ends when this process ends, even if this process is killed.
    program = f"import os\nwhile os.getppid() == {os.getpid()}: pass"
    running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(programs)]  # noqa: S603 (our own text)
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def time_epoch(work: Work, processes: int) -> float:
    """Return the median seconds of a few epochs."""
    training, batches = work.recipe.start(work.prepared)
    ends = [time.perf_counter()]
    with blas_threads(0):
        ends += [time.perf_counter() for done in training.run(batches, (), processes) if done.complete]
    return statistics.median(end - start for start, end in itertools.pairwise(ends))


def main() -> None:
    """Measure all combinations in turns, and write the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with plain_errors("the same command starts over"):
        work = Work.load(Recipe.load_overlay(PLAIN).changed(PLAIN, {"shards": max(PROCESSES), "epochs": EPOCHS}))
        times: dict[tuple[int, int], list[float]] = {}
        for _ in tqdm(range(ROUNDS), "rounds", disable=None):
            for programs, processes in itertools.product(PROGRAMS, PROCESSES):
                with keep_busy(programs):
                    times.setdefault((processes, programs), []).append(time_epoch(work, processes))
        rows = []
        for (processes, programs), seconds in times.items():
            ratios = [mine / alone for mine, alone in zip(seconds, times[1, programs], strict=True)]
            rows.append(Company(processes, programs, statistics.median(seconds), statistics.median(ratios)))
        save_results("busy", rows)


if __name__ == "__main__":
    main()
