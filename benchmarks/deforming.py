"""What deforming costs: epochs with the deformations of params.yaml and without any, in turns."""

import argparse
import statistics
import time
from collections.abc import Iterator

from benchmarks.machine import describe_machine
from benchmarks.work import RECIPE, Work
from mnist.hyperparameters import DEFORMATIONS, Hyperparameters
from stages.command import told_in_words


def main() -> None:
    """Read the command line, train in turns, print the seconds and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="after one to warm up (%(default)s)")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds should be 1 or more")
    with told_in_words("the same command begins anew"):
        plain = Work.load()
        own = Hyperparameters.load(RECIPE)
        strength = {name: getattr(own, name) for name in DEFORMATIONS}
        deformed = Work(plain.parameters.model_copy(update=strength), plain.training)
        print(describe_machine())
        epochs = [plain.epochs(), deformed.epochs()]
        turns = [[_seconds(turn) for turn in epochs] for _ in range(arguments.rounds + 1)][1:]
    ratios = [long / short for short, long in turns]
    as_they_are, anew = (statistics.median(column) for column in zip(*turns, strict=True))
    print(
        f"{anew:.3f} s instead of {as_they_are:.3f} s: {statistics.median(ratios):.2f} times as long "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


def _seconds(epochs: Iterator[float]) -> float:
    start = time.perf_counter()
    next(epochs)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
