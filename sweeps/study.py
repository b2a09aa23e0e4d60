"""The memory of a sweep: Optuna proposes trials and stops bad ones, and its journal on disk keeps all that happened."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import filelock
import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from mnist.files import DamagedFileError
from sweeps.space import Axis, Choices, Sweep, Values
from sweeps.trial import Leg

State: TypeAlias = Literal["complete", "pruned", "failed", "timed out", "running"]


_NAME = "sweep"


class Row(NamedTuple):
    """What is known of a trial; losses and accuracies of its validation images, one a seed, at its last rung."""

    number: int
    values: Values
    state: State
    reason: str
    epochs: int
    losses: list[float]
    accuracies: list[float]
    seconds: float

    @property
    def loss(self) -> float:
        """The mean over the seeds; not a number where no rung was reached."""
        return float(np.mean(self.losses)) if self.losses else float("nan")

    @property
    def accuracy(self) -> float:
        """The mean over the seeds; not a number where no rung was reached."""
        return float(np.mean(self.accuracies)) if self.accuracies else float("nan")


@dataclass
class Trial:
    """A trial that runs.

    Attributes
    ----------
    number : int
        From 0 on, its place in trials.csv.
    values : dict
        What it tries.
    rung : int
        The epochs after which it is compared next.
    seconds : float
        That its legs have taken.
    """

    number: int
    values: Values
    rung: int
    seconds: float
    asked: optuna.Trial


def best_of(rows: list[Row], sweep: Sweep) -> Row | None:
    """Return the best trial that came to its end, the first of several; None where there is none."""
    ended = [row for row in rows if row.state == "complete"]
    if sweep.settings.objective == "validation_loss":
        return min(ended, key=lambda row: row.loss, default=None)
    return max(ended, key=lambda row: row.accuracy, default=None)


@contextmanager
def opened(folder: Path, sweep: Sweep) -> Iterator["Study"]:
    """Hold the study that is kept in a folder, or begin one; whoever else wants it waits until it is free."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        print("another process runs exactly this sweep; waiting for it to end", flush=True)
        lock.acquire()
    try:
        journal = folder / "journal.log"
        _cut_torn_line(journal)
        yield Study(journal, sweep)
    finally:
        lock.release()


class Study:
    """All trials of a sweep; use it inside `opened`."""

    def __init__(self, journal: Path, sweep: Sweep) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._sweep = sweep
        self._journal = _Journal(journal)
        try:
            self._storage = JournalStorage(self._journal)
            self._study = optuna.create_study(
                storage=self._storage,
                study_name=_NAME,
                direction="minimize" if sweep.settings.objective == "validation_loss" else "maximize",
                load_if_exists=True,
                pruner=_pruner(sweep),
            )
        except OSError:
            raise
        # Optuna believes what stands in a journal, and there is no end to what damage may make of that.
        except Exception as error:
            raise DamagedFileError(
                f"{journal}: is damaged ({error}); delete it, and the same command tries all trials again"
            ) from error
        # Trials that a driver left behind when it was killed.
        self._left = self._trials(TrialState.RUNNING)

    @property
    def finished(self) -> bool:
        """Whether all trials have come to an end, of whatever kind."""
        return not self._left and not self._trials(TrialState.WAITING) and len(self._trials()) >= self._sweep.trials

    def next(self) -> Trial | None:
        """Return a trial to run: one that was interrupted, or else a new one; None when there are enough."""
        while self._left:
            if (trial := self._running(self._ask(self._left.pop(0).number))) is not None:
                return trial
        number = len(self._trials())
        waiting = self._trials(TrialState.WAITING)
        if not waiting and number >= self._sweep.trials:
            return None
        if self._sweep.grid is not None and not waiting:
            point = self._sweep.grid[number]
            self._study.enqueue_trial({name: _label(value) for name, value in point.items()})
        return self._running(self._ask(number - len(waiting)))

    def report(self, trial: Trial, leg: Leg) -> bool:
        """Record that a trial has reached its rung, and return whether it goes on from there."""
        trial.seconds += leg.seconds
        figures = {"losses": leg.losses, "accuracies": leg.accuracies, "seconds": round(trial.seconds, 3)}
        trial.asked.set_user_attr("figures", figures | {"epochs": leg.epochs})
        compared = leg.losses if self._sweep.settings.objective == "validation_loss" else leg.accuracies
        objective = float(np.mean(compared))
        trial.asked.report(objective, leg.epochs)
        goes_on = self._goes_on(trial)
        self._journal.flush()
        return goes_on

    def fail(self, trial: Trial, reason: str, *, seconds: float = 0, timed_out: bool = False) -> None:
        """Record that a trial came to no end, and why."""
        failure = {"reason": reason, "timed out": timed_out, "seconds": round(trial.seconds + seconds, 3)}
        trial.asked.set_user_attr("failure", failure)
        self._tell(trial, TrialState.FAIL)
        self._journal.flush()

    def row(self, trial: Trial) -> Row:
        """Return what is known of a trial."""
        return _row(self._trials()[trial.number], self._sweep)

    def rows(self) -> list[Row]:
        """Return all trials that have begun, in order."""
        return [_row(trial, self._sweep) for trial in self._trials()[: self._sweep.trials] if _has_begun(trial)]

    def _ask(self, number: int) -> optuna.Trial:
        """Return the trial of this number: proposed now, or brought back with whatever it had been given."""
        # A seed for each trial: proposals do not begin anew where a sweep goes on.
        self._study.sampler = _sampler(self._sweep, number)
        if number < len(self._trials()) and self._trials()[number].state == TrialState.RUNNING:
            study_id = self._storage.get_study_id_from_name(_NAME)
            asked = optuna.Trial(self._study, self._storage.get_trial_id_from_study_id_trial_number(study_id, number))
        else:
            asked = self._study.ask()
        for name, axis in self._sweep.axes.items():
            _suggest(asked, name, axis)
        return asked

    def _running(self, asked: optuna.Trial) -> Trial | None:
        """Return a trial ready to run on, or None where the last thing it did was its end."""
        known = self._trials()[asked.number]
        row = _row(known, self._sweep)
        trial = Trial(asked.number, row.values, self._sweep.rungs[0], row.seconds, asked)
        return trial if not known.intermediate_values or self._goes_on(trial) else None

    def _goes_on(self, trial: Trial) -> bool:
        figures = self._trials()[trial.number].intermediate_values
        epochs = max(figures)
        if epochs >= self._sweep.settings.epochs:
            self._tell(trial, TrialState.COMPLETE, figures[epochs])
            return False
        if trial.asked.should_prune():
            self._tell(trial, TrialState.PRUNED)
            return False
        trial.rung = next(rung for rung in self._sweep.rungs if rung > epochs)
        return True

    def _tell(self, trial: Trial, state: TrialState, value: float | None = None) -> None:
        self._study.tell(trial.asked, value, state=state)

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states or None)


class _Journal(JournalFileBackend):
    """Optuna's journal for one process: no lock, which a killed one would leave, and on disk once a step.

    Optuna waits for the disk at each entry, several times a trial.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write entries, a line each."""
        lines = [json.dumps(log, separators=(",", ":")) + "\n" for log in logs]
        with self._path.open("ab") as file:
            file.write("".join(lines).encode())

    def flush(self) -> None:
        """Bring all entries to disk."""
        with self._path.open("rb") as file:
            os.fsync(file.fileno())


def _cut_torn_line(journal: Path) -> None:
    """Remove what a process wrote of its last entry when it was killed; Optuna would append to it."""
    if journal.exists():
        data = journal.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with journal.open("r+b") as file:
                file.truncate(whole)


def _label(value: Any) -> Any:
    """Return a value as Optuna takes it: lists, such as widths of layers, as text."""
    return str(value) if isinstance(value, list) else value


def _suggest(asked: optuna.Trial, name: str, axis: Axis) -> None:
    if isinstance(axis, Choices):
        asked.suggest_categorical(name, [_label(value) for value in axis.values])
    elif axis.whole:
        asked.suggest_int(name, int(axis.low), int(axis.high), log=axis.log)
    else:
        asked.suggest_float(name, axis.low, axis.high, log=axis.log)


def _sampler(sweep: Sweep, number: int) -> BaseSampler:
    seed = int(np.random.SeedSequence(sweep.settings.seeds[0], spawn_key=(number,)).generate_state(1)[0])
    if sweep.settings.method == "tpe":
        # Trials that run count as bad ones until they end, so that those proposed meanwhile are others.
        return TPESampler(seed=seed, constant_liar=True)
    return RandomSampler(seed=seed)


def _pruner(sweep: Sweep) -> optuna.pruners.BasePruner:
    if not sweep.settings.halving:
        return optuna.pruners.NopPruner()
    return optuna.pruners.SuccessiveHalvingPruner(
        min_resource=sweep.settings.first_rung, reduction_factor=sweep.settings.halving
    )


def _has_begun(trial: FrozenTrial) -> bool:
    return trial.state != TrialState.WAITING


def _row(trial: FrozenTrial, sweep: Sweep) -> Row:
    figures: dict[str, Any] = trial.user_attrs.get("figures", {})
    failure: dict[str, Any] = trial.user_attrs.get("failure", {})
    values = {
        name: next(value for value in axis.values if _label(value) == trial.params[name])
        if isinstance(axis, Choices)
        else trial.params[name]
        for name, axis in sweep.axes.items()
        if name in trial.params
    }
    return Row(
        number=trial.number,
        values=values,
        state=_state(trial, failure),
        reason=failure.get("reason", ""),
        epochs=figures.get("epochs", 0),
        losses=figures.get("losses", []),
        accuracies=figures.get("accuracies", []),
        seconds=failure.get("seconds", figures.get("seconds", 0.0)),
    )


def _state(trial: FrozenTrial, failure: dict[str, Any]) -> State:
    match trial.state:
        case TrialState.COMPLETE:
            return "complete"
        case TrialState.PRUNED:
            return "pruned"
        case TrialState.FAIL:
            return "timed out" if failure.get("timed out") else "failed"
        case _:
            return "running"
