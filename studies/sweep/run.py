"""The command that runs a sweep: trials go to workers, rung by rung, until all have ended, whatever fails on the way."""

import argparse
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TypeAlias

from tqdm import tqdm

from mnist.data.dataset import read_raw
from mnist.data.published import TRAIN_IMAGES, TRAIN_LABELS, check_dataset
from mnist.errors import MnistError
from mnist.files import save
from mnist.fingerprint import fingerprint
from mnist.recipe import PARAMS, Recipe
from stages.pipeline import RAW
from studies.sweep import cluster
from studies.sweep.cluster import Cluster, ClusterError, ClusterLostError, Work
from studies.sweep.results import best_of, encode_results, exp_command, summarize
from studies.sweep.space import Space
from studies.sweep.study import Row, Study, Trial, open_study
from studies.sweep.trial import Digits, advance

SPACE = Path("studies/spaces/training.yaml")
KEPT = Path(".studies/sweep")

Connect: TypeAlias = Callable[[], AbstractContextManager[Cluster]]


class SweepError(MnistError):
    """A sweep without a complete trial."""


def run_sweep(space: Space, folder: Path, connect: Connect, work: Work = advance) -> list[Row]:
    """Run a sweep, or what is left of it, and return all its trials.

    Parameters
    ----------
    space : Space
    folder : Path
        Where the sweep is kept: its journal, and the states of unfinished trials.
    connect : callable
        Opens a cluster whose workers hold the training images.
    work : callable
        What a worker does for a leg of a trial.

    Raises
    ------
    ClusterError
        There is no cluster.
    """
    with open_study(folder, space) as study, _Bar(study, space) as bar:
        while bar.ended < space.trials:
            try:
                with connect() as workers:
                    for number in _drive(space, study, workers, folder, work):
                        bar.show(study.row(number))
            except ClusterLostError as error:
                bar.write(f"{error}; looking for it again")
        return study.rows()


def _drive(space: Space, study: Study, workers: Cluster, folder: Path, work: Work) -> Iterator[int]:
    """Keep the workers busy until all trials have ended, and yield the number of each when it has."""
    running: dict[int, Trial] = {}

    def start(trial: Trial) -> None:
        state = _state(folder, trial.number)
        saved = state.read_bytes() if state.exists() else None
        limit = max(0.0, space.settings.time_limit - trial.seconds)
        workers.submit(trial.number, limit, work, space.recipe_of(trial.point), saved, trial.rung)
        running[trial.number] = trial

    left = study.unfinished()
    while True:
        for _ in range(workers.free()):
            trial = left.pop(0) if left else study.ask()
            if trial is None:
                break
            start(trial)
        if not running and len(study.rows()) >= space.trials and not left:
            return
        for outcome in workers.wait():
            trial, state = running.pop(outcome.number), _state(folder, outcome.number)
            if outcome.leg is None:
                limit = f"stopped after {space.settings.time_limit:g} s" if outcome.state == "timed out" else ""
                study.fail(trial, outcome.state, limit + outcome.reason)
            elif study.report(trial, outcome.leg):
                save({state: outcome.leg.state})
                start(trial)
                continue
            state.unlink(missing_ok=True)
            yield trial.number


def _state(folder: Path, number: int) -> Path:
    return folder / f"{number}.safetensors"


class _Bar:
    """How many trials have ended, and the best so far."""

    def __init__(self, study: Study, space: Space) -> None:
        rows = [row for row in study.rows() if row.state != "running"]
        self.ended, self._space, self._best = len(rows), space, best_of(rows, space)
        # disable=None: no bar where nobody looks, as in a log file.
        self._bar = tqdm(total=space.trials, initial=self.ended, unit=" trials", disable=None)
        if rows:
            self.write(f"resumes after {self.ended} trials")

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, row: Row) -> None:
        """Count a trial, and name it where it failed or is the best so far."""
        self.ended += 1
        values = ", ".join(f"{name} {value}" for name, value in self._space.values(row.point).items())
        if row.reason:
            self.write(f"trial {row.number} {row.state}: {row.reason} ({values})")
        if best_of([known for known in (self._best, row) if known], self._space) is row:
            self._best = row
            self.write(f"trial {row.number}: accuracy {row.accuracy:.2%}, loss {row.loss:.4f} ({values})")
            self._bar.set_postfix_str(f"best {row.accuracy:.2%} ({values})", refresh=False)
        self._bar.update()

    def write(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.write(line)


def kept_in(space: Space, path: Path) -> Path:
    """Return the folder of a sweep, below that of its results: named by all that its trials follow from.

    The number of trials is no part of the name: with more of them the same sweep continues.
    """
    code = [Path(__file__).with_name(name) for name in ("space.py", "study.py", "trial.py")]
    followed = fingerprint(space.recipe, [*code, RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS])
    digest = hashlib.sha256(f"{space.settings.model_dump_json(exclude={'trials'})} {followed}".encode())
    return KEPT / path.stem / digest.hexdigest()[:16]


def _connection(arguments: argparse.Namespace, scratch: Path, digits: Digits) -> Connect:
    """Return how to open the cluster that the command line asks for; raises ClusterError where it is not protected."""
    address = arguments.scheduler
    if address is None:
        return partial(cluster.local, arguments.workers, scratch, digits)
    if not address.startswith("tls://") and not arguments.insecure_anyone_can_run_code:
        raise ClusterError(
            f"{address}: is not protected: anyone who reaches this scheduler can run any program as you, on all its "
            "workers. Use tls://, as docs/sweeps.md shows; or, in a network that nobody else can reach, add "
            "--insecure-anyone-can-run-code"
        )
    return partial(cluster.remote, address, digits)


def main() -> None:
    """Read the command line, run the sweep, write its results, print what to do next."""
    parser = argparse.ArgumentParser(prog="python -m studies.sweep", description=__doc__)
    parser.add_argument("space", type=Path, nargs="?", default=SPACE, help="YAML file of what to try (%(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="on this machine (%(default)s, its cores)")
    parser.add_argument("--scheduler", metavar="tls://HOST:PORT", help="of a Dask cluster, instead of this machine")
    parser.add_argument("--insecure-anyone-can-run-code", action="store_true", help="allow a --scheduler without TLS")
    arguments = parser.parse_args()
    if arguments.workers < 1:
        parser.error("--workers should be 1 or more")
    default, space = Recipe.load(PARAMS), Space.load(arguments.space)
    check_dataset(space.recipe.data.dataset, RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS)
    images = read_raw(RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS)
    space.check_batches(images)
    kept = kept_in(space, arguments.space)
    connect = _connection(arguments, kept, Digits(images))
    print(f"{space.trials} trials of up to {space.settings.epochs} epochs", flush=True)
    rows = run_sweep(space, kept, connect)

    best = best_of(rows, space)
    if best is None:
        reasons = "".join(f"\n  {reason}" for reason in dict.fromkeys(row.reason for row in rows if row.reason))
        raise SweepError(
            f"none of {len(rows)} trials is complete, for these reasons:{reasons}\n"
            f"If they lie outside the trials, delete {kept}, and the same command tries all of them again"
        )
    contents = encode_results(rows, best, space, default)
    save({kept.parent / name: data for name, data in contents.items()})
    print(f"{summarize(rows, best, space)}\nresults: {', '.join(str(kept.parent / name) for name in contents)}")
    print(f"the best trial as an experiment of DVC:\n{exp_command(space.recipe_of(best.point), default)}")
