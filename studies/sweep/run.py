"""The loop of a sweep, and its command. The loop ends when all trials have ended, even if some of them fail."""

import argparse
import hashlib
import logging
import os
import queue
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import filelock
from distributed import Client, Future, KilledWorker
from distributed.comm.core import CommClosedError

from mnist.data.dataset import read_raw
from mnist.data.published import TRAIN_IMAGES, TRAIN_LABELS, check_dataset
from mnist.errors import MnistError
from mnist.files import save
from mnist.fingerprint import fingerprint
from mnist.progress import tqdm
from mnist.recipe import PARAMS, Recipe
from stages.pipeline import RAW
from studies.experiment import exp_command
from studies.sweep.cluster import PATIENCE, STARTS, ClusterError, Digits, reach_scheduler, run_leg, start_workers
from studies.sweep.results import encode_results
from studies.sweep.space import Space
from studies.sweep.study import Study, Trial
from studies.sweep.trial import Leg, advance

SPACE = Path("studies/spaces/training.yaml")

_DEATHS = 3  # workers that may die in a leg of a trial before the trial counts as failed
_LOST = (CommClosedError, ConnectionError, TimeoutError, CancelledError)  # errors that mean that the scheduler is gone


class Sweep:
    """A sweep of a space; its folder keeps its journal, and `work` is the function that runs a leg."""

    def __init__(self, space: Space, folder: Path, work: Callable[..., Leg] = advance) -> None:
        self._space, self._digits, self._folder, self._work = space, Digits(space.prepared), folder, work
        self._running: dict[Future[Leg], tuple[Trial, float, int]] = {}
        self._states: dict[int, bytes] = {}  # of trials between legs; a trial of an earlier process starts over
        self._starts: dict[str, float] = {}

    def run(self, connect: Callable[[], AbstractContextManager[Client]]) -> Study:
        """Run all trials that have not ended; raises ClusterError and DamagedFileError."""
        logging.disable()  # Log lines of Dask and Optuna would break up the progress bar, which reports all errors.
        self._folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(self._folder / "lock", timeout=0):
            self._study, total = Study(self._folder / "journal.log", self._space), len(self._space.points)
            self._left = total - (ended := sum(trial.state != "running" for trial in self._study.trials))
            with tqdm(total=total, initial=ended, unit=" trials", disable=None) as self._bar:  # None: not in a log file
                self._bar.write(f"resumes after {ended} trials" if ended else f"{total} trials")
                while self._left > 0:
                    try:
                        with connect() as self._client:
                            self._drive()
                    except _LOST:
                        self._bar.write("the scheduler is gone; trying to reach it again")
            return self._study

    def _drive(self) -> None:
        """Keep the workers busy until all trials have ended."""
        self._client.register_plugin(self._digits)
        self._client.subscribe_topic(STARTS, lambda event: self._starts.update({event[1]: time.monotonic()}))
        self._running.clear()
        self._ended = queue.SimpleQueue[Future[Leg]]()
        remaining, alive = self._study.remaining(), time.monotonic()
        while self._left > 0:
            if workers := len(self._client.nthreads()):
                alive = time.monotonic()
            elif time.monotonic() - alive > PATIENCE:
                raise ClusterError(
                    f"no worker could be started; {self._folder}/workers.log or the cluster's log says why"
                )
            while len(self._running) < workers and (trial := next(remaining, None)):
                self._start(trial)
            with suppress(queue.Empty):
                self._end(self._ended.get(timeout=0.25))
            if self._client.status != "running":
                raise CommClosedError(self._client.status)

    def _start(self, trial: Trial, deaths: int = 0) -> None:
        """Let a worker run a trial up to its next rung."""
        state, recipe = self._states.get(trial.number), self._space.recipe_of(trial.point)
        rung = next(rung for rung in self._space.rungs if rung > trial.epochs)
        limit = max(0.1, self._space.settings.time_limit - (trial.seconds if state else 0))
        future = self._client.submit(run_leg, limit, self._digits.name, self._work, recipe, state, rung, pure=False)
        self._running[future] = trial, limit, deaths
        future.add_done_callback(self._ended.put)

    def _end(self, future: Future[Leg]) -> None:
        """Record how a leg ended; then start the next leg of the trial, or count the trial as ended."""
        trial, limit, deaths = self._running.pop(future)
        lasted, end = time.monotonic() - self._starts.pop(str(future.key), float("inf")), dict[str, Any]()
        try:
            leg, deaths = future.result(), 0
            trial, self._states[trial.number] = self._study.report(trial, leg), leg.state
        except KilledWorker:
            deaths += 1
            if lasted >= 0.99 * limit:
                reason = f"stopped after {self._space.settings.time_limit:g} s; the log of the worker shows where"
                end = {"state": "timed out", "reason": reason}
            elif deaths == _DEATHS:
                end = {"state": "failed", "reason": f"it killed {_DEATHS} workers; there may not be enough memory"}
        except Exception as error:  # An error in one trial does not stop the others.
            if future.status != "error" or isinstance(error, ClusterError):
                raise
            kind = "" if isinstance(error, MnistError | ArithmeticError) else f"{type(error).__name__}: "
            end = {"state": "failed", "reason": f"{kind}{error}"}
        trial = self._study.record(trial._replace(**end)) if end else trial
        if trial.state == "running":
            self._start(trial, deaths)
        else:
            self._states.pop(trial.number, None)
            self._left -= 1
            best = self._study.best
            if trial is best or trial.reason:
                self._bar.write(f"{trial.state}: {trial}")
            self._bar.set_postfix_str(f"best: {best}" if best else "")
            self._bar.update()


def main() -> None:
    """Run the command; raises MnistError for every error that the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m studies.sweep", description=__doc__)
    parser.add_argument("space", type=Path, nargs="?", default=SPACE, help="YAML file of what to try (%(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="on this machine (%(default)s, its cores)")
    parser.add_argument("--scheduler", metavar="tls://HOST:PORT", help="of a Dask cluster, instead of this machine")
    parser.add_argument("--insecure-anyone-can-run-code", action="store_true", help="allow a --scheduler without TLS")
    arguments = parser.parse_args()
    if arguments.workers < 1:
        parser.error("--workers should be 1 or more")
    address = arguments.scheduler
    if address and not address.startswith("tls://") and not arguments.insecure_anyone_can_run_code:
        cure = "use tls:// (docs/sweeps.md), or, in a network of your own, --insecure-anyone-can-run-code"
        raise ClusterError(f"{address}: anyone who reaches it can run any program as you, on all its workers; {cure}")
    default, files = Recipe.load(PARAMS), [RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS]
    space = Space.load(arguments.space, read_raw(*files))
    check_dataset(space.recipe.data.dataset, *files)
    # Everything that decides a trial is in the name, but not the number of trials: more trials continue the sweep.
    code = [Path(__file__).with_name(name) for name in ("space.py", "study.py", "trial.py")]
    settings = space.settings.model_dump_json(exclude={"trials"})
    name = hashlib.sha256(f"{settings} {fingerprint(space.recipe, [*code, *files])}".encode()).hexdigest()[:16]
    folder = Path(".studies/sweep") / arguments.space.stem
    workers = partial(start_workers, arguments.workers, folder / name / "workers.log")
    connect = partial(reach_scheduler, address) if address else workers
    try:
        study = Sweep(space, folder / name).run(connect)
    except filelock.Timeout:
        raise ClusterError(f"{folder / name}: another process runs this sweep") from None
    trials, best = study.trials, study.best
    counts = ", ".join(f"{count} {state}" for state, count in Counter(trial.state for trial in trials).items())
    epochs = sum(trial.epochs for trial in trials)
    print(f"{counts}; {epochs} epochs; without pruning: {len(trials) * space.settings.epochs}")
    if best is None:
        raise MnistError(f"no trial is complete; delete {folder / name} to try again if the trials were not at fault")
    contents = encode_results(trials, best, space, default)
    save({folder / name: data for name, data in contents.items()})
    print(f"picture: {folder}/trials.svg, beside trials.csv and best.yaml\nbest: {best}")
    print(exp_command(space.recipe_of(best.point), default))
