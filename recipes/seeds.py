"""Run a recipe with several seeds, from splitting the data to the test set, and print how its figures vary.

The seed decides which images are held back, the first weights, the order of the images and how they are deformed. Every
finished seed is kept in `recipes/runs/`, so that an interrupted study goes on where it stopped.
"""

import argparse
import contextlib
import csv
import hashlib
import io
import json
import math
import multiprocessing
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mnist.files import save_csv
from mnist.hyperparameters import Hyperparameters
from stages.command import Workspace, told_in_words
from stages.evaluate import evaluate
from stages.prepare import prepare
from stages.train import train_network

RUNS = Path("recipes/runs")
CODE = [Path(__file__).parents[1] / package for package in ("mnist", "stages")]
THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


class Run(NamedTuple):
    """What one seed gave; accuracies are fractions, seconds those of training.

    The training loss is the mean over all epochs, of an image; the notebook printed it of a batch of 100.
    """

    seed: int
    test_accuracy: float
    test_loss: float
    validation_accuracy: float
    mean_train_loss: float
    seconds: float


def load_runs(path: Path) -> list[Run]:
    """Return the runs of a table that this command wrote."""
    with path.open() as file:
        return [Run(int(seed), *map(float, figures)) for seed, *figures in list(csv.reader(file))[1:]]


def run_once(recipe: Path, seed: int) -> Run:
    """Run the pipeline, in silence, in a folder of its own; a run that is in `RUNS` already is not made again."""
    parameters = Hyperparameters.load(recipe, seed=seed)
    kept = RUNS / f"{_digest(parameters)}.csv"
    if kept.exists():
        (run,) = load_runs(kept)
        return run
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        workspace = Workspace(Path(folder))
        prepare(parameters, workspace)
        start = time.perf_counter()
        with contextlib.redirect_stderr(io.StringIO()):
            train_network(parameters, workspace)
        seconds = time.perf_counter() - start
        evaluate(parameters, workspace)
        scores = json.loads(workspace.scores.read_bytes())
        with workspace.history.open() as file:
            losses = [float(epoch["train_loss"]) for epoch in csv.DictReader(file)]
    test = scores["test"]
    validation = scores["validation"]["accuracy"] if "validation" in scores else math.nan
    run = Run(seed, test["accuracy"], test["loss"], validation, statistics.mean(losses), round(seconds, 1))
    save_csv(kept, Run._fields, [run])
    return run


def _digest(parameters: Hyperparameters) -> str:
    """Return a name for what a run follows from: its recipe and the code."""
    digest = hashlib.sha256(parameters.model_dump_json().encode())
    for path in sorted(path for folder in CODE for path in folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def run_seeds(recipe: Path, seeds: list[int], jobs: int) -> Iterator[Run]:
    """Yield the runs of a recipe as they end, `jobs` of them at a time, each on one core."""
    # Several small products at a time are faster on a core each than one after another on all of them.
    os.environ.update(dict.fromkeys(THREADS, "1"))
    # A fresh interpreter for each: only then does NumPy look at these variables.
    with multiprocessing.get_context("spawn").Pool(jobs, _leave_interrupts_to_the_parent) as pool:
        yield from pool.imap_unordered(partial(run_once, recipe), seeds)
        pool.close()
        pool.join()


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def summarise(runs: list[Run]) -> dict[str, tuple[float, ...]]:
    """Return mean, standard deviation (of a sample), minimum and maximum of each figure but the seed."""
    figures = np.array(runs)[:, 1:]
    lines = {"mean": figures.mean(axis=0)}
    if len(runs) > 1:
        lines["deviation"] = figures.std(axis=0, ddof=1)
    lines |= {"minimum": figures.min(axis=0), "maximum": figures.max(axis=0)}
    return {name: tuple(line.tolist()) for name, line in lines.items()}


def line(name: str, figures: tuple[object, ...]) -> str:
    """Return a line of the table."""
    return f"{name:10}" + "".join(
        f"{figure:>20}" if isinstance(figure, str) else f"{figure:20.4f}" for figure in figures
    )


def main() -> None:
    """Read the command line, run the seeds, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path, help="a complete file of hyperparameters")
    parser.add_argument("--seeds", type=int, default=10, help="how many, from 1 on (%(default)s)")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time (%(default)s, the cores)"
    )
    parser.add_argument("--table", type=Path, help="a file for the runs, as CSV")
    arguments = parser.parse_args()
    with told_in_words():
        Hyperparameters.load(arguments.recipe)
        print(f"{arguments.recipe}, {arguments.seeds} seeds, {arguments.jobs} at a time on one core each")
        print(line("", Run._fields[1:]), flush=True)
        runs = []
        for run in run_seeds(arguments.recipe, list(range(1, arguments.seeds + 1)), arguments.jobs):
            print(line(f"seed {run.seed}", run[1:]), flush=True)
            runs.append(run)
        for name, figures in summarise(runs).items():
            print(line(name, figures))
        if arguments.table:
            save_csv(arguments.table, Run._fields, sorted(runs))


if __name__ == "__main__":
    main()
