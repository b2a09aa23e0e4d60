"""The memory of a sweep: Optuna proposes trials and prunes bad ones, and a journal on disk keeps all that happened."""

import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import filelock
import optuna
from optuna.pruners import NopPruner, SuccessiveHalvingPruner
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

from mnist.files import DamagedFileError
from studies.sweep.space import Point, Space
from studies.sweep.trial import Leg

State: TypeAlias = Literal["complete", "pruned", "failed", "timed out", "running"]

_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
_NAME = "sweep"


class Row(NamedTuple):
    """What is known of a trial: `loss` and `accuracy` of the validation images at the last rung, not a number before.

    `point` is in Optuna's form; `reason` says why a trial failed; `seconds` are those of training.
    """

    number: int
    point: Point
    state: State
    reason: str
    epochs: int
    loss: float
    accuracy: float
    seconds: float


@dataclass
class Trial:
    """A trial under way: its number, its point, the epochs at its next rung, and the seconds that it has taken."""

    number: int
    point: Point
    rung: int
    seconds: float
    asked: optuna.Trial


@contextmanager
def open_study(folder: Path, space: Space) -> Iterator["Study"]:
    """Hold the study that a folder keeps, or begin one; another process that wants it waits until it is free.

    Raises
    ------
    DamagedFileError
        Its journal holds something else than was written.
    OSError
        The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        print("another process runs this sweep; waiting for it to end", flush=True)
        lock.acquire()
    try:
        yield Study(Journal(folder / "journal.log"), space)
    finally:
        lock.release()


class Journal(BaseJournalBackend):
    """Optuna's log in a file of transactions: a line each, with a checksum of it and all lines before.

    A process can be killed at any moment: half a line at the end is removed. Any other change of the file is found.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._logs, self._pending, self._sum = path, list[dict[str, Any]](), list[dict[str, Any]](), 0
        path.touch()
        data = path.read_bytes()
        lines, size = data.split(b"\n")[:-1], data.rfind(b"\n") + 1
        for number, line in enumerate(lines, start=1):
            checksum, _, text = line.partition(b" ")
            self._sum = zlib.crc32(text, self._sum)
            if checksum != b"%08x" % self._sum:
                raise DamagedFileError(f"{path}: line {number} is damaged; delete the file, and the sweep starts over")
            self._logs += json.loads(text)
        if size < len(data):
            os.truncate(path, size)

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """Return the entries from a number on."""
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries, which are in the file after `commit`."""
        self._logs += logs
        self._pending += logs

    def commit(self) -> None:
        """Bring all new entries to disk as one line."""
        if self._pending:
            text = json.dumps(self._pending).encode()
            self._sum = zlib.crc32(text, self._sum)
            with self._path.open("ab") as file:
                file.write(b"%08x %s\n" % (self._sum, text))
                file.flush()
                os.fsync(file.fileno())
            self._pending.clear()


class Study:
    """All trials of a sweep; use it inside `open_study`."""

    def __init__(self, journal: Journal, space: Space) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._journal = space, journal
        self._storage = JournalStorage(journal)
        settings = space.settings
        self._study = optuna.create_study(
            storage=self._storage,
            study_name=_NAME,
            direction="minimize" if settings.objective == "validation_loss" else "maximize",
            sampler=RandomSampler(),
            pruner=SuccessiveHalvingPruner(min_resource=settings.first_rung, reduction_factor=settings.halving)
            if settings.halving
            else NopPruner(),
            load_if_exists=True,
        )
        journal.commit()

    def unfinished(self) -> list[Trial]:
        """Return the trials that a process left when it ended."""
        study = self._storage.get_study_id_from_name(_NAME)
        left = self._study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
        trials = []
        for number, row in ((trial.number, self._row(trial)) for trial in left):
            asked = optuna.Trial(self._study, self._storage.get_trial_id_from_study_id_trial_number(study, number))
            rung = next(rung for rung in self._space.rungs if rung > row.epochs)
            trials.append(Trial(number, row.point, rung, row.seconds, asked))
        return trials

    def ask(self) -> Trial | None:
        """Return a new trial; None when there are enough."""
        number = len(self._trials())
        if number >= self._space.trials:
            return None
        if self._space.points is not None:
            self._study.enqueue_trial(self._space.points[number])
        else:
            # A seed for each trial: a sweep that resumes does not propose the first ones again.
            self._study.sampler = TPESampler(seed=(self._space.recipe.seed + number) % 2**32, constant_liar=True)
        asked = self._study.ask(self._space.distributions)
        self._journal.commit()
        return Trial(asked.number, asked.params, self._space.rungs[0], 0.0, asked)

    def report(self, trial: Trial, leg: Leg) -> bool:
        """Record that a trial has reached its rung, and return whether it continues from there."""
        trial.seconds += leg.seconds
        figures = {"epochs": leg.epochs, "loss": leg.loss, "accuracy": leg.accuracy, "seconds": trial.seconds}
        trial.asked.set_user_attr("figures", figures)
        objective = leg.loss if self._space.settings.objective == "validation_loss" else leg.accuracy
        trial.asked.report(objective, leg.epochs)
        end = None
        if leg.epochs >= self._space.settings.epochs:
            end = TrialState.COMPLETE
        elif trial.asked.should_prune():
            end = TrialState.PRUNED
        if end is not None:
            self._study.tell(trial.asked, objective if end == TrialState.COMPLETE else None, end)
        else:
            trial.rung = next(rung for rung in self._space.rungs if rung > leg.epochs)
        self._journal.commit()
        return end is None

    def fail(self, trial: Trial, state: State, reason: str) -> None:
        """Record that a trial has failed or timed out, and why."""
        trial.asked.set_user_attr("failure", {"state": state, "reason": reason})
        self._study.tell(trial.asked, state=TrialState.FAIL)
        self._journal.commit()

    def row(self, number: int) -> Row:
        """Return what is known of a trial."""
        return self._row(self._trials()[number])

    def rows(self) -> list[Row]:
        """Return all trials in order."""
        return [self._row(trial) for trial in self._trials()[: self._space.trials]]

    def _row(self, trial: FrozenTrial) -> Row:
        figures = {"epochs": 0, "loss": float("nan"), "accuracy": float("nan"), "seconds": 0.0}
        figures |= trial.user_attrs.get("figures", {})
        failure = {"state": _STATES.get(trial.state, "running"), "reason": ""} | trial.user_attrs.get("failure", {})
        return Row(number=trial.number, point=trial.params, **failure, **figures)

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)
