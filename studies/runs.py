"""Runs each recipe with each seed, several at a time, and keeps finished runs, so that an interrupted study resumes."""

import argparse
import contextlib
import io
import math
import multiprocessing
import os
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from mnist.checked import RecipeError, read_yaml, shorten
from mnist.cores import PROCESSES, count_cores
from mnist.data.published import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist.errors import MnistError
from mnist.files import DamagedFileError, encode_csv, load_json, load_numbers, save
from mnist.fingerprint import THREAD_VARIABLES, fingerprint
from mnist.nn.training import Epoch
from mnist.progress import tqdm
from mnist.recipe import Recipe
from stages.evaluate import evaluate
from stages.pipeline import RAW, Workspace
from stages.prepare import prepare
from stages.train import train
from studies import notebook
from studies.results import Run

KEPT = Path(".studies")


class StudyError(MnistError):
    """The system has killed a run."""


def load_changes(path: Path) -> dict[str, dict[str, Any]]:
    """Return the changes to a recipe that a file lists under each name."""
    named = read_yaml(path)
    for name, changes in named.items():
        if not isinstance(changes, dict):
            raise RecipeError(f"{path}, {name}: should be lines of `key: value`, not {shorten(changes)}")
    return named


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add the option that all studies share."""
    parser.add_argument("--jobs", type=positive, default=count_cores(), help="runs at a time (%(default)s, the cores)")


def positive(text: str) -> int:
    """Return the number that an option gives; raises ArgumentTypeError if it is less than 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("should be 1 or more")
    return number


def run_all(recipes: Mapping[str, Recipe], seeds: Iterable[int], jobs: int, *, test: bool = True) -> list[Run]:
    """Run all recipes with all seeds, `jobs` at a time, on all cores; print each run when it ends, and return all.

    `test` opens the test images. Raises StudyError if a process was killed.
    """
    items = [(name, recipe.changed(name, {"seed": seed})) for name, recipe in recipes.items() for seed in seeds]
    # Several small products, each on one core, are faster than one product after another on all cores.
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    os.environ[PROCESSES] = str(max(1, count_cores() // jobs))
    runs: dict[tuple[str, int], Run] = {}
    for run in tqdm(_in_parallel(items, jobs, test), total=len(items), unit=" runs", disable=None):
        runs[run.recipe, run.seed] = run
        figures = ", ".join(f"{name} {value:.4f}" for name, value in run._asdict().items() if isinstance(value, float))
        tqdm.write(f"{run.recipe}, seed {run.seed}: {figures}")
    return [runs[name, recipe.seed] for name, recipe in items]


def _in_parallel(items: list[tuple[str, Recipe]], jobs: int, test: bool) -> Iterator[Run]:
    # Each worker needs a fresh interpreter, because NumPy reads THREAD_VARIABLES when it is imported.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, fresh, _follow_parent) as pool:
        try:
            for future in as_completed([pool.submit(run_once, name, recipe, test=test) for name, recipe in items]):
                yield future.result()
        except BaseException as error:
            # The results of the other runs are no longer needed.
            for process in multiprocessing.active_children():
                process.terminate()
            pool.shutdown(cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise StudyError(
                    "a run was killed, perhaps because memory ran out: try fewer --jobs. Finished runs are kept, and "
                    "the same command resumes"
                ) from error
            raise


def run_once(name: str, recipe: Recipe, *, test: bool) -> Run:
    """Return the kept run with the same recipe, code and data if there is one, otherwise a new run."""
    names = [TRAIN_IMAGES, TRAIN_LABELS, *([TEST_IMAGES, TEST_LABELS] if test else [])]
    files = [Path(notebook.__file__), *(RAW / name for name in names)]
    kept = KEPT / f"{fingerprint(recipe, files)}.csv"
    # If the kept run is missing or damaged, a new run replaces it.
    with contextlib.suppress(FileNotFoundError, DamagedFileError, ValueError):
        (figures,) = load_numbers(kept, Run._fields[2:])
        return Run(name, recipe.seed, **figures)
    run = _measure(name, recipe, test)
    save({kept: encode_csv(Run._fields[2:], [run[2:]])})
    return run


def _measure(name: str, recipe: Recipe, test: bool) -> Run:
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        workspace = Workspace(Path(folder))
        prepare(recipe, workspace)
        start = time.perf_counter()
        train(recipe, workspace)
        seconds = round(time.perf_counter() - start, 1)
        history = load_numbers(workspace.history, Epoch._fields)
        accuracy = loss = math.nan
        if test:
            evaluate(recipe, workspace)
            accuracy, loss = (load_json(workspace.scores)["test"][figure] for figure in ("accuracy", "loss"))
    mean_train_loss = statistics.mean(epoch["train_loss"] for epoch in history)
    validation = history[-1]["validation_accuracy"], history[-1]["validation_loss"]
    return Run(name, recipe.seed, accuracy, loss, *validation, mean_train_loss, seconds)


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end when the parent is killed: nobody would use the result."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # By default tqdm's lock is a semaphore of the system, which a terminated process would leave behind.
    tqdm.set_lock(threading.RLock())
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
