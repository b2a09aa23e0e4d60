"""Measure sweeps: trials an hour beside DVC's own ways, how they scale over workers, and what pruning saves.

`python -m benchmarks.sweeps grid|workers|overhead|pruning` prints a table; benchmarks/sweeps.md keeps what came of it.
"""

import argparse
import dataclasses
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster

from mnist.dataset import read_raw
from mnist.hyperparameters import Hyperparameters
from mnist.sources import TRAIN_IMAGES, TRAIN_LABELS
from stages.command import RAW
from sweeps import cluster
from sweeps.driver import Connect, Work, run_sweep
from sweeps.space import Sweep
from sweeps.study import Row, best_of
from sweeps.trial import Digits, Leg, advance

SWEEP = Path("sweeps/sweep.yaml")


def load(**changes: Any) -> Sweep:
    """Return the sweep of the project with some settings changed and, where `trials` says so, only its first points."""
    sweep = Sweep.load(SWEEP)
    points = changes.pop("points", sweep.trials)
    settings = sweep.settings.model_copy(update=changes)
    return dataclasses.replace(sweep, settings=settings, grid=(sweep.grid or [])[:points], trials=points)


def digits() -> Digits:
    """Return what workers hold."""
    return Digits(read_raw(RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS))


def timed(sweep: Sweep, connect: Callable[[Path], Connect], work: Work = advance) -> tuple[list[Row], float]:
    """Return the trials of a sweep, and its seconds from nothing to the end, workers' start included."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        rows = run_sweep(sweep, Path(folder) / "kept", connect(Path(folder)), work)
        return rows, time.perf_counter() - start


def on_cores(workers: int) -> Callable[[Path], Connect]:
    """Return how to open a cluster on this machine."""
    payload = digits()
    return lambda scratch: partial(cluster.local, workers, payload, scratch)


def line(name: str, trials: int, seconds: float) -> str:
    """Return a line of the table."""
    return f"| {name} | {trials} | {seconds:.0f} | {3600 * trials / seconds:.0f} |"


def grid(points: int) -> None:
    """Compare the three ways to try points of the sweep's grid, 8 epochs each and no pruning."""
    print("| way | points | seconds | trials an hour |\n|---|---|---|---|")
    sweep = load(halving=0, points=points)
    # A worker of DVC's may still be writing when all is over.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        clone = Path(folder) / "clone"
        _run(Path(), "git", "clone", "--quiet", ".", str(clone))
        (clone / "data").mkdir(exist_ok=True)
        _run(Path(), "cp", "-r", "data/raw", str(clone / "data"))
        _run(clone, "dvc", "exp", "run", "-S", f"epochs={sweep.settings.epochs}")
        changes = [
            [word for name, value in point.items() for word in ("-S", f"{name}={value}")] for point in sweep.grid or []
        ]
        epochs = ["-S", f"epochs={sweep.settings.epochs}"]
        start = time.perf_counter()
        for words in changes:
            _run(clone, "dvc", "exp", "run", *epochs, *words)
        print(line("`dvc exp run`, one after another", points, time.perf_counter() - start), flush=True)
        start = time.perf_counter()
        for words in changes:
            # Another seed, or DVC would take the results from its cache.
            _run(clone, "dvc", "exp", "run", "--queue", "-S", "seed=2", *epochs, *words)
        # Not captured: workers would keep the pipe open for as long as they live.
        subprocess.run(["dvc", "queue", "start", "--jobs", "2"], cwd=clone, stdout=subprocess.DEVNULL, check=True)  # noqa: S607
        while any(word in _run(clone, "dvc", "queue", "status") for word in ("Queued", "Running")):
            time.sleep(2)
        print(line("DVC's queue, two jobs", points, time.perf_counter() - start), flush=True)
    _, seconds = timed(sweep, on_cores(2))
    print(line("a sweep, two workers", points, seconds), flush=True)


def workers(points: int) -> None:
    """Compare one and two workers."""
    print("| workers | points | seconds | trials an hour |\n|---|---|---|---|")
    for count in (1, 2):
        _, seconds = timed(load(halving=0, points=points), on_cores(count))
        print(line(str(count), points, seconds), flush=True)


def pruning(points: int) -> None:
    """Compare the whole grid with and without successive halving."""
    print("| pruning | epochs | seconds | best validation accuracy |\n|---|---|---|---|")
    for halving in (3, 4, 0):
        sweep = load(halving=halving, points=points)
        rows, seconds = timed(sweep, on_cores(2))
        best = best_of(rows, sweep)
        accuracy = f"{best.accuracy:.2%}" if best else "none"
        epochs = sum(row.epochs for row in rows)
        print(f"| {f'one of {halving}' if halving else 'none'} | {epochs} | {seconds:.0f} | {accuracy} |", flush=True)


def sleep(seconds: float, _: Digits, recipes: list[Hyperparameters], __: list[bytes] | None, epochs: int) -> Leg:
    """Take the place of a trial, without its arithmetic."""
    time.sleep(seconds)
    return Leg(epochs, [b""] * len(recipes), [0.1], [0.9], seconds)


def overhead(_: int) -> None:
    """Let many simulated workers sleep: threads of two processes, so that the engine's own time is all there is."""
    print("| workers | a trial sleeps, s | trials | seconds | of which sleep | engine |\n|---|---|---|---|---|---|")
    for count, seconds in ((4, 2), (16, 2), (64, 2), (64, 10)):
        trials = 5 * count
        sweep = dataclasses.replace(load(halving=0, method="random"), grid=None, trials=trials)
        with simulated(count) as connect:
            taken = timed(sweep, partial(_already, connect), partial(sleep, seconds))[1]
        ideal = seconds * trials / count
        print(
            f"| {count} | {seconds} | {trials} | {taken:.1f} | {ideal:.1f} | {(taken - ideal) / taken:.1%} |",
            flush=True,
        )


def _already(connect: Connect, _: Path) -> Connect:
    """Return how to open a cluster that needs no folder."""
    return connect


@contextmanager
def simulated(count: int) -> Any:
    """Open a cluster of so many threads, already up."""
    with (
        dask.config.set({"distributed.scheduler.worker-saturation": 1.0}),
        LocalCluster(n_workers=2, threads_per_worker=count // 2, host="127.0.0.1", dashboard_address=None) as machine,
        Client(machine) as client,
    ):

        @contextmanager
        def connect() -> Any:
            yield cluster.Cluster(client, None)

        yield connect


def _run(folder: Path, *words: str) -> str:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout  # noqa: S603


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = {"grid": grid, "workers": workers, "pruning": pruning, "overhead": overhead}
    parser.add_argument("what", choices=what)
    parser.add_argument("--points", type=int, default=64, help="of the sweep's grid (%(default)s)")
    arguments = parser.parse_args()
    what[arguments.what](arguments.points)


if __name__ == "__main__":
    main()
