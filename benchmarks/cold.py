"""Cold start: a whole process that loads MNIST, prepares it and trains one epoch, beside one that starts and ends."""

import argparse
import statistics
import subprocess
import sys
import time

from benchmarks.machine import describe_machine

_NOTHING = [sys.executable, "-c", ""]
_EPOCH = [sys.executable, "-c", "from benchmarks.work import Work; next(Work.load().epochs())"]


def main() -> None:
    """Read the command line, run both in turns, print what the first takes longer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="(%(default)s)")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds should be 1 or more")
    print(describe_machine())
    longer = [_seconds(_EPOCH) - _seconds(_NOTHING) for _ in range(arguments.rounds)]
    print(f"{statistics.median(longer):.2f} s ({min(longer):.2f} to {max(longer):.2f}) beyond the interpreter's start")


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True)  # noqa: S603
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
