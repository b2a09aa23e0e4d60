"""The trials of a sweep: Optuna proposes trials and prunes bad ones, and a journal on disk records every change."""

import json
import math
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.trial import TrialState

from mnist.files import DamagedFileError
from studies.sweep.space import Space
from studies.sweep.trial import Leg


class Trial(NamedTuple):
    """A trial and its results so far: `state` is running, complete, pruned, failed or timed out."""

    number: int
    point: dict[str, Any]
    state: str = "running"
    reason: str = ""
    epochs: int = 0
    validation_loss: float = math.nan
    validation_accuracy: float = math.nan
    seconds: float = 0.0

    def __str__(self) -> str:
        """Describe the values that it tries, and its result."""
        values = ", ".join(f"{name} {value}" for name, value in self.point.items())
        reached = self.reason or f"{self.validation_accuracy:.2%}, loss {self.validation_loss:.4f}"
        return f"trial {self.number} ({values}): {reached}"


class Study:
    """All trials of a sweep, in order; raises DamagedFileError if the journal is damaged, and OSError.

    A line of the journal is a trial after a change, with a checksum of this line and all earlier ones. A killed process
    can leave an incomplete last line, which is removed; any other damage is an error.
    """

    def __init__(self, journal: Path, space: Space) -> None:
        self._space, self._journal, self._sum = space, journal, 0
        pruner = optuna.pruners.SuccessiveHalvingPruner(space.settings.first_rung, max(2, space.settings.halving))
        self._study = optuna.create_study(direction="maximize", pruner=pruner)
        self.trials: list[Trial] = []
        journal.touch()
        *lines, torn = journal.read_bytes().split(b"\n")
        for number, line in enumerate(lines, start=1):
            self._sum = zlib.crc32(text := line[9:], self._sum)
            if line[:9] != b"%08x " % self._sum:
                raise DamagedFileError(f"{journal}: line {number} is damaged; delete the file to start the sweep over")
            self._take(Trial(**json.loads(text)))
        os.truncate(journal, journal.stat().st_size - len(torn))

    @property
    def best(self) -> Trial | None:
        """The best complete trial, the first of equally good ones; None if no trial is complete."""
        return max((trial for trial in self.trials if trial.state == "complete"), key=self._value, default=None)

    def remaining(self) -> Iterator[Trial]:
        """Yield the trials that have not ended, and then new ones; Optuna proposes each when the caller asks for it."""
        yield from [trial for trial in self.trials if trial.state == "running"]
        for number in range(len(self.trials), len(self._space.points)):
            # Each trial has its own seed, so that a resumed sweep does not propose the first trials again.
            self._study.sampler = optuna.samplers.TPESampler(seed=(self._space.recipe.seed + number) % 2**32)
            yield self.record(Trial(number, self._space.points[number]))

    def report(self, trial: Trial, leg: Leg) -> Trial:
        """Record that a trial has reached its rung; the trial continues if its state is still running."""
        last, seconds = leg.last, round(trial.seconds + leg.seconds, 1)
        trial = Trial(*trial[:4], last.epoch, last.validation_loss, last.validation_accuracy, seconds)
        self._take(trial)
        complete = trial.epochs >= self._space.settings.epochs
        return self.record(trial._replace(state="complete" if complete else "pruned" if self._is_bad else "running"))

    def record(self, trial: Trial) -> Trial:
        """Store a trial after a change, in memory and on disk."""
        trial = self._take(trial)
        text = json.dumps(trial._asdict()).encode()
        self._sum = zlib.crc32(text, self._sum)
        with self._journal.open("ab") as file:
            file.write(b"%08x %s\n" % (self._sum, text))
            file.flush()
            os.fsync(file.fileno())
        return trial

    def _take(self, trial: Trial) -> Trial:
        """Report a changed trial to Optuna; for a new trial, choose the values that its point leaves open."""
        if trial.number == len(self.trials):
            self._study.enqueue_trial(trial.point)
            trial = trial._replace(point=self._study.ask(dict(self._space.axes)).params)
            self.trials.append(trial)
        before, self.trials[trial.number] = self.trials[trial.number], trial
        if trial.epochs > before.epochs:
            asked = optuna.Trial(self._study, trial.number)
            asked.report(self._value(trial), trial.epochs)
            self._is_bad = asked.should_prune()  # Also for a journal that is read: Optuna records the rung.
        if trial.state != "running":
            value = self._value(trial) if trial.state == "complete" else None
            self._study.tell(trial.number, value, TrialState.__members__.get(trial.state.upper(), TrialState.FAIL))
        return trial

    def _value(self, trial: Trial) -> float:
        """Return the objective, with a sign that makes larger values better."""
        by_accuracy = self._space.settings.objective == "validation_accuracy"
        return trial.validation_accuracy if by_accuracy else -trial.validation_loss
