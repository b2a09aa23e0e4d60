"""The loop of a sweep, which ends when all trials have, whatever fails on the way; and the command around it."""

import argparse
import hashlib
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import distributed
import filelock
import optuna
from distributed import Client, Future, KilledWorker
from distributed.comm.core import CommClosedError
from optuna.trial import FrozenTrial
from tqdm import tqdm

from mnist.data.dataset import read_raw
from mnist.data.published import TRAIN_IMAGES, TRAIN_LABELS, check_dataset
from mnist.errors import MnistError
from mnist.files import save
from mnist.fingerprint import fingerprint
from mnist.recipe import PARAMS, Recipe
from stages.pipeline import RAW
from studies.sweep.cluster import ClusterError, Workers, local, remote, run_leg
from studies.sweep.results import best_of, describe, encode_results, exp_command
from studies.sweep.space import Space
from studies.sweep.study import Study, state_of
from studies.sweep.trial import Leg, advance

SPACE = Path("studies/spaces/training.yaml")
KEPT = Path(".studies/sweep")

# Seconds between two looks at what has ended; and how many workers may die in a leg of a trial.
_TICK, _DEATHS = 0.25, 4
# How it shows that a scheduler has gone away.
_LOST = (CommClosedError, ConnectionError, TimeoutError, CancelledError)


@dataclass
class Sweep:
    """What is tried, the folder that keeps the journal and unfinished trainings, and what a worker does for a leg."""

    space: Space
    folder: Path
    work: Callable[..., Leg] = advance
    _running: dict[Future[Leg], tuple[optuna.Trial, int]] = field(default_factory=dict)
    _starts: dict[str, float] = field(default_factory=dict)

    def run(self, connect: Callable[[], AbstractContextManager[Workers]]) -> list[FrozenTrial]:
        """Run all trials, or what is left of them, and return them; raises ClusterError and DamagedFileError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(self.folder / "lock"):
            study = self._study = Study(self.folder / "journal.log", self.space)
            ended = [trial for trial in study.trials() if state_of(trial) != "running"]
            # disable=None: no bar where nobody looks, as in a log file.
            with tqdm(total=self.space.trials, initial=len(ended), unit=" trials", disable=None) as bar:
                bar.write(f"resumes after {len(ended)} trials" if ended else f"{self.space.trials} trials")
                while len(ended) < self.space.trials:
                    try:
                        with connect() as (client, restart):
                            for number in self._drive(client, restart):
                                ended.append(trial := study.trials()[number])
                                best = best_of(ended, self.space)
                                if trial is best or "reason" in trial.user_attrs:
                                    bar.write(f"{state_of(trial)}: {describe(trial, self.space)}")
                                bar.set_postfix_str(
                                    f"best: {describe(best, self.space)}" if best else "", refresh=False
                                )
                                bar.update()
                    except _LOST as error:
                        bar.write(f"the scheduler has gone away ({error}); looking for it again")
            return study.trials()

    def _drive(self, client: Client, restart: Callable[[bool], None]) -> Iterator[int]:
        """Keep the workers busy until all trials have ended, and yield the number of each when it has."""
        self._client, self._topic = client, f"sweep-{uuid.uuid4().hex}"
        client.subscribe_topic(self._topic, lambda event: self._starts.update({event[1]: event[0]}))
        self._running.clear()
        left = self._study.unfinished()
        while self._running or left or len(self._study.trials()) < self.space.trials:
            workers = len(client.nthreads())
            restart(workers > 0)
            while len(self._running) < workers and (trial := left.pop(0) if left else self._study.ask()):
                self._start(trial)
            for future in self._wait():
                trial, deaths = self._running.pop(future)
                if self._end(future, trial, deaths):
                    yield trial.number

    def _start(self, trial: optuna.Trial, deaths: int = 0) -> None:
        state = path.read_bytes() if (path := self._state(trial)).exists() else None
        rung = next(rung for rung in self.space.rungs if rung > trial.user_attrs.get("epochs", 0))
        # By the first part of the name the scheduler knows that these are of one kind, and how long they take.
        name, limit = f"leg-{uuid.uuid4().hex}", self._limit(trial)
        leg: Any = self._topic, name, limit, self.work, self.space.recipe_of(trial.params), state, rung
        self._running[self._client.submit(run_leg, *leg, key=name, pure=False)] = trial, deaths

    def _wait(self) -> set[Future[Leg]]:
        """Wait a moment, and return the legs that have ended."""
        ended: set[Future[Leg]] = set()
        if self._running:
            with suppress(TimeoutError):
                ended = distributed.wait(list(self._running), timeout=_TICK, return_when="FIRST_COMPLETED").done
        else:
            time.sleep(_TICK)
        if self._client.status != "running":
            raise CommClosedError(self._client.status)
        return ended

    def _end(self, future: Future[Leg], trial: optuna.Trial, deaths: int) -> bool:
        """Record how a leg has ended, and return whether it was the last one of its trial."""
        seconds = time.time() - self._starts.pop(str(future.key), float("inf"))
        try:
            leg = future.result()
        except KilledWorker:
            # The start is by the scheduler's clock, which may differ a little from this machine's.
            if seconds >= 0.95 * self._limit(trial):
                limit = self.space.settings.time_limit
                self._study.fail(trial, "timed out", f"stopped after {limit:g} s; the log of the worker shows where")
            elif deaths + 1 < _DEATHS:
                self._start(trial, deaths + 1)
                return False
            else:
                self._study.fail(trial, "failed", f"{_DEATHS} workers that ran it died; memory may not suffice")
        except (ClusterError, *_LOST):
            raise
        except Exception as error:  # noqa: BLE001 (whatever is wrong with one trial, the others go on)
            kind = "" if isinstance(error, MnistError | ArithmeticError) else f"{type(error).__name__}: "
            self._study.fail(trial, "failed", f"{kind}{error}")
        else:
            if self._study.report(trial, leg):
                save({self._state(trial): leg.state})
                self._start(trial)
                return False
        self._state(trial).unlink(missing_ok=True)
        return True

    def _limit(self, trial: optuna.Trial) -> float:
        return max(0.1, float(self.space.settings.time_limit - trial.user_attrs.get("seconds", 0)))

    def _state(self, trial: optuna.Trial) -> Path:
        return self.folder / f"{trial.number}.safetensors"


def main() -> None:
    """Run the command; raises MnistError where something is wrong that the user can mend."""
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
        raise ClusterError(
            f"{address}: is not protected: anyone who reaches it can run any program as you, on all its workers. Use "
            "tls://, as docs/sweeps.md shows, or, where nobody else can reach it, add --insecure-anyone-can-run-code"
        )
    default, files = Recipe.load(PARAMS), [RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS]
    digits = read_raw(*files)
    space = Space.load(arguments.space, digits)
    check_dataset(space.recipe.data.dataset, *files)
    # Named by all that its trials follow from, but their number: with more of them the same sweep continues.
    code = [Path(__file__).with_name(name) for name in ("space.py", "study.py", "trial.py")]
    settings = space.settings.model_dump_json(exclude={"trials"})
    name = hashlib.sha256(f"{settings} {fingerprint(space.recipe, [*code, *files])}".encode()).hexdigest()[:16]
    folder = KEPT / arguments.space.stem
    here = partial(local, arguments.workers, folder / name / "workers.log", digits)
    trials = Sweep(space, folder / name).run(partial(remote, address, digits) if address else here)

    epochs = sum(trial.user_attrs.get("epochs", 0) for trial in trials)
    counts = ", ".join(f"{count} {state}" for state, count in Counter(map(state_of, trials)).items())
    print(f"{counts}; {epochs} epochs, where {len(trials) * space.settings.epochs} would have been without pruning")
    if (best := best_of(trials, space)) is None:
        raise MnistError(f"no trial is complete; delete {folder / name} to try again, if that was not their own fault")
    contents = encode_results(trials, best, space, default)
    save({folder / name: data for name, data in contents.items()})
    print(f"results: {', '.join(str(folder / name) for name in contents)}\nbest: {describe(best, space)}")
    print(exp_command(space.recipe_of(best.params), default))
