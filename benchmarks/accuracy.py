"""Time to accuracy: seconds of training until the test accuracy first passes a mark, median of several seeds.

The network is that of params.yaml; the recipe, `benchmarks/fast.yaml`, was chosen on validation images. The test images
are looked at after every 2000 training images, while the clock stands still, and decide nothing.
"""

import argparse
import math
import statistics
import time
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.race import RESULTS
from mnist.dataset import Dataset, read_raw
from mnist.environment import blas_threads
from mnist.evaluation import score
from mnist.files import save_csv
from mnist.hyperparameters import Hyperparameters
from mnist.normalisation import NORMALIZERS
from mnist.sources import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist.training import TrainingState, train
from stages.command import RAW, told_in_words

RECIPE = Path("benchmarks/fast.yaml")
MARKS = (0.9428, 0.97, 0.98)


def seconds_to(
    marks: tuple[float, ...], parameters: Hyperparameters, training: Dataset, test: Dataset
) -> dict[float, float]:
    """Return for each mark the seconds of training until the test accuracy passes it; infinity: it never does."""
    passed = dict.fromkeys(marks, math.inf)
    clock, start = 0.0, time.perf_counter()
    normalisation = NORMALIZERS[parameters.normalize]([training.images])
    state = TrainingState.initial(parameters, normalisation)
    nothing = Dataset(training.images[:0], training.labels[:0])
    with blas_threads(state.network.architecture.largest_product(parameters.batch_size)):
        for _ in train(state, training, nothing, parameters):
            clock += time.perf_counter() - start
            accuracy = score(state.network, test, parameters.loss).accuracy
            for mark in marks:
                if accuracy > mark and math.isinf(passed[mark]):
                    passed[mark] = clock
            start = time.perf_counter()
    return passed


def main() -> None:
    """Read the command line, train with each seed, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="how many, from 1 on (%(default)s)")
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="hyperparameters (%(default)s)")
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        parser.error("--seeds should be 1 or more")
    with told_in_words():
        training = read_raw(RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS)
        test = read_raw(RAW / TEST_IMAGES, RAW / TEST_LABELS)
        print(describe_machine())
        runs = []
        for seed in range(1, arguments.seeds + 1):
            parameters = Hyperparameters.load(arguments.recipe, seed=seed)
            runs.append(seconds_to(MARKS, parameters, training, test))
            print(f"seed {seed}: " + ", ".join(f"{mark:.2%} in {runs[-1][mark]:.2f} s" for mark in MARKS), flush=True)
    print("\n| test accuracy | seconds of training, median (lowest to highest) | seeds that pass |\n|---|---|---|")
    for mark in MARKS:
        # A seed that never passes counts as longer than all others.
        times = sorted(run[mark] for run in runs)
        passing = sum(map(math.isfinite, times))
        print(f"| {mark:.2%} | {statistics.median(times):.2f} ({times[0]:.2f} to {times[-1]:.2f}) | {passing} |")
    save_csv(
        RESULTS / "accuracy.csv",
        ("seed", *map(str, MARKS)),
        [(seed, *run.values()) for seed, run in enumerate(runs, 1)],
    )


if __name__ == "__main__":
    main()
