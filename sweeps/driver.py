"""The loop of a sweep: trials go to workers, rung by rung, until all have ended, whatever fails on the way."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

from tqdm import tqdm

from mnist.hyperparameters import HyperparameterError, Hyperparameters
from sweeps.cluster import Cluster, ClusterLostError
from sweeps.space import Sweep
from sweeps.states import States
from sweeps.study import Row, Study, Trial, best_of, opened
from sweeps.trial import Digits, Leg, advance

Connect: TypeAlias = Callable[[], AbstractContextManager[Cluster]]
Work: TypeAlias = Callable[[Digits, list[Hyperparameters], list[bytes] | None, int], Leg]


def run_sweep(sweep: Sweep, folder: Path, connect: Connect, work: Work = advance) -> list[Row]:
    """Run a sweep, or what is left of it, with a bar for people to watch, and return all its trials.

    Parameters
    ----------
    sweep : Sweep
    folder : Path
        Where the sweep is kept: its journal, and the states of what is unfinished.
    connect : callable
        Opens a cluster whose workers hold the digits.
    work : callable
        What a worker does for a trial.

    Raises
    ------
    ClusterError
        There is no cluster, or none any more.
    """
    states = States(folder / "states", len(sweep.settings.seeds))
    while True:
        # After a loss all starts over from what is on disk, as it would in a new process: one way back, always used.
        with opened(folder, sweep) as study, _Bar(study, sweep) as bar:
            try:
                if not study.finished:
                    with connect() as cluster:
                        for row in drive(sweep, study, cluster, states, work):
                            bar.show(row)
                return study.rows()
            except ClusterLostError as error:
                bar.write(f"{error}; looking for it again")


def drive(sweep: Sweep, study: Study, cluster: Cluster, states: States, work: Work) -> Iterator[Row]:
    """Keep the workers busy until all trials have ended, and yield each when it has; raises ClusterError."""
    running: dict[str, Trial] = {}

    def start(trial: Trial, state: list[bytes] | None) -> None:
        recipes = sweep.recipes(trial.values)
        limit = sweep.settings.time_limit - trial.seconds
        cluster.submit(str(trial.number), limit, work, recipes, state, trial.rung)
        running[str(trial.number)] = trial

    while running or not study.finished:
        for _ in range(cluster.free):
            if (trial := study.next()) is None:
                break
            try:
                start(trial, states.load(trial.number))
            except HyperparameterError as error:
                study.fail(trial, str(error))
                yield study.row(trial)
        for outcome in cluster.outcomes():
            trial = running.pop(outcome.key)
            if outcome.failure is not None:
                # Time that was left to this leg is not what the sweep allows to the whole trial.
                reason = f"stopped after {sweep.settings.time_limit:g} s" if outcome.timed_out else outcome.failure
                study.fail(trial, reason, seconds=outcome.seconds, timed_out=outcome.timed_out)
            elif study.report(trial, outcome.value):
                states.save(trial.number, outcome.value.states)
                start(trial, outcome.value.states)
                continue
            states.forget(trial.number)
            yield study.row(trial)


class _Bar:
    """How many trials have ended, and the best so far."""

    def __init__(self, study: Study, sweep: Sweep) -> None:
        self._sweep = sweep
        ended = [row for row in study.rows() if row.state != "running"]
        self._best = best_of(ended, sweep)
        # disable=None: no bar where nobody looks, as in a log file.
        self._bar = tqdm(total=sweep.trials, initial=len(ended), unit=" trials", disable=None)
        if ended:
            self.write(f"goes on after {len(ended)} trials")

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, row: Row) -> None:
        """Count a trial, and tell of it where it failed or is the best so far."""
        self._bar.update()
        values = ", ".join(f"{name} {value}" for name, value in row.values.items())
        if row.reason:
            self.write(f"trial {row.number} {row.state}: {row.reason} ({values})")
        best = best_of([known for known in (self._best, row) if known], self._sweep)
        if best is row:
            self._best = row
            self.write(f"trial {row.number}: accuracy {row.accuracy:.2%}, loss {row.loss:.4f} ({values})")
            self._bar.set_postfix_str(f"best {row.accuracy:.2%} ({values})")

    def write(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.write(line)
