"""The memory of a sweep: Optuna proposes trials and prunes bad ones, and a journal on disk keeps all that happened."""

import json
import os
import zlib
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import NopPruner, SuccessiveHalvingPruner
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mnist.files import DamagedFileError
from studies.sweep.space import Space
from studies.sweep.trial import Leg


class Journal(BaseJournalBackend):
    """Optuna's log in a file of transactions: a line each, with a checksum of it and all lines before.

    A process can be killed at any moment: half a line at the end is removed. Any other damage raises DamagedFileError.
    """

    def __init__(self, path: Path) -> None:
        path.touch()
        self._path, self._logs, self._saved, self._sum = path, list[dict[str, Any]](), 0, 0
        *lines, torn = path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, start=1):
            self._sum = zlib.crc32(text := line[9:], self._sum)
            if line[:9] != b"%08x " % self._sum:
                raise DamagedFileError(f"{path}: line {number} is damaged; delete the file to begin the sweep anew")
            self._logs += json.loads(text)
        self._saved = len(self._logs)
        os.truncate(path, path.stat().st_size - len(torn))

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """Return the entries from a number on."""
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries, which are on disk after `commit`."""
        self._logs += logs

    def commit(self) -> None:
        """Bring all new entries to disk as one line."""
        text = json.dumps(self._logs[self._saved :]).encode()
        self._saved, self._sum = len(self._logs), zlib.crc32(text, self._sum)
        with self._path.open("ab") as file:
            file.write(b"%08x %s\n" % (self._sum, text))
            file.flush()
            os.fsync(file.fileno())


class Study:
    """All trials of a sweep; raises DamagedFileError where the journal is damaged, and OSError.

    A trial's `user_attrs` say where it is: `epochs`, `loss`, `accuracy`, `seconds`; and how it failed: `end`, `reason`.
    """

    def __init__(self, journal: Path, space: Space) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space, self._journal, settings = space, Journal(journal), space.settings
        halving = SuccessiveHalvingPruner(settings.first_rung, settings.halving) if settings.halving else NopPruner()
        direction = StudyDirection.MINIMIZE if settings.objective == "validation_loss" else StudyDirection.MAXIMIZE
        kept: Any = {"storage": JournalStorage(self._journal), "study_name": "sweep", "load_if_exists": True}
        self._study = optuna.create_study(direction=direction, pruner=halving, **kept)
        self._journal.commit()

    def trials(self) -> list[FrozenTrial]:
        """Return all trials in order."""
        return self._study.get_trials(deepcopy=False)[: self._space.trials]

    def unfinished(self) -> list[optuna.Trial]:
        """Return the trials that a process left when it ended."""
        left = [trial for trial in self.trials() if trial.state == TrialState.RUNNING]
        return [optuna.Trial(self._study, trial._trial_id) for trial in left]  # noqa: SLF001 (no other way)

    def ask(self) -> optuna.Trial | None:
        """Return a new trial; None when there are enough."""
        if (number := len(self.trials())) >= self._space.trials:
            return None
        # A seed for each trial: a sweep that resumes does not propose the first ones again.
        seed = (self._space.recipe.seed + number) % 2**32
        self._study.sampler = TPESampler(seed=seed) if self._space.settings.method == "tpe" else RandomSampler(seed)
        if self._space.grid is not None:
            self._study.enqueue_trial(self._space.grid[number])
        trial = self._study.ask(dict(self._space.axes))
        self._journal.commit()
        return trial

    def report(self, trial: optuna.Trial, leg: Leg) -> bool:
        """Record that a trial has reached its rung, and return whether it continues from there."""
        figures = {"epochs": leg.epochs, "loss": leg.loss, "accuracy": leg.accuracy}
        for name, value in (figures | {"seconds": trial.user_attrs.get("seconds", 0) + leg.seconds}).items():
            trial.set_user_attr(name, value)
        objective = leg.loss if self._space.settings.objective == "validation_loss" else leg.accuracy
        trial.report(objective, leg.epochs)
        complete = leg.epochs >= self._space.settings.epochs
        if complete:
            self._study.tell(trial, objective)
        elif pruned := trial.should_prune():
            self._study.tell(trial, state=TrialState.PRUNED)
        self._journal.commit()
        return not complete and not pruned

    def fail(self, trial: optuna.Trial, end: str, reason: str) -> None:
        """Record that a trial has "failed" or "timed out", and why."""
        trial.set_user_attr("end", end)
        trial.set_user_attr("reason", reason)
        self._study.tell(trial, state=TrialState.FAIL)
        self._journal.commit()


def state_of(trial: FrozenTrial) -> str:
    """Return how a trial has ended: complete, pruned, failed, timed out; or running."""
    return str(trial.user_attrs.get("end", trial.state.name.lower()))
