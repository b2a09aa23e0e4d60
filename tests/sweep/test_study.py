"""The journal of a sweep: it restores all trials after a process was killed at any moment."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mnist.files import DamagedFileError
from mnist.nn.training import Epoch
from studies.sweep.space import Space
from studies.sweep.study import Study
from studies.sweep.trial import Leg
from tests.sweep.faults import DIGITS, write_space

SEARCH = {
    "eta": {"low": 0.001, "high": 1, "log": True},
    "batch_size": {"low": 5, "high": 50},
    "network.hidden": [[8], [4, 4]],
}


def load(folder: Path, **changes: Any) -> Space:
    return Space.load(write_space(folder, **changes), DIGITS)


def run(journal: Path, space: Space, at_most: int = 1000) -> Study:
    """Run trials one after another, with better results for a smaller eta; stop after some legs, as if killed."""
    study = Study(journal, space)
    for trial in study.remaining():
        while trial.state == "running":
            if (at_most := at_most - 1) < 0:
                return study
            rung = next(rung for rung in space.rungs if rung > trial.epochs)
            accuracy = 1 - space.recipe_of(trial.point).eta / 2 + rung / 100
            trial = study.report(trial, Leg(b"", Epoch(rung, 0, 0, 1 - accuracy, accuracy, 0), 0.5))  # noqa: PLW2901
    return study


def spaces(folder: Path) -> Iterator[Space]:
    yield load(folder, space={"eta": [0.1, 0.2], "network.hidden": [[8], [4, 4]]})
    yield load(folder, method="tpe", trials=8, space=SEARCH)


def test_every_prefix_of_a_journal_resumes(tmp_path: Path) -> None:
    """A process may die at any byte of the journal: no trial is lost or duplicated, and the results are the same."""
    for place, space in enumerate(spaces(tmp_path)):
        journal = tmp_path / f"{place}.log"
        whole = run(journal, space).trials
        assert len(whole) == len(space.points)
        data = journal.read_bytes()
        ends = [place + 1 for place, byte in enumerate(data) if byte == ord("\n")]
        for end in [0, 5, *ends, *(end - 7 for end in ends)]:
            journal.write_bytes(data[:end])
            assert run(journal, space).trials == whole, end


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    space, journal = load(tmp_path), tmp_path / "journal.log"
    run(journal, space)
    lines = journal.read_bytes().splitlines(keepends=True)
    for place in range(len(lines) - 1):
        damaged = [line.replace(b"0.1", b"0.2").replace(b"e", b"E") for line in lines[place : place + 1]]
        for middle in ([], damaged, [b"\xff\xfe\n"], [b"{}\n"], [lines[place][:-5] + b"\n"], [lines[place]] * 2):
            journal.write_bytes(b"".join([*lines[:place], *middle, *lines[place + 1 :]]))
            with pytest.raises(DamagedFileError, match=rf"{journal}: line \d+ is damaged; delete the file"):
                Study(journal, space)


def test_halving_stops_bad_trials_and_keeps_the_best(tmp_path: Path) -> None:
    space = load(tmp_path, method="random", trials=60, halving=3, epochs=9, space=SEARCH)
    study = run(tmp_path / "journal.log", space)
    assert study.best
    assert study.best.point["eta"] == min(trial.point["eta"] for trial in study.trials)
    assert sum(trial.epochs for trial in study.trials) < 60 * 9 / 2.5
    assert {trial.epochs for trial in study.trials if trial.state == "pruned"} <= {1, 3}


def test_without_halving_every_trial_is_complete(tmp_path: Path) -> None:
    study = run(tmp_path / "journal.log", load(tmp_path, halving=1, objective="validation_loss"))
    assert {(trial.state, trial.epochs) for trial in study.trials} == {("complete", 4)}
    assert study.best
    assert study.best.validation_loss == min(trial.validation_loss for trial in study.trials)


def test_tpe_prefers_the_region_of_the_best_trials(tmp_path: Path) -> None:
    space = load(tmp_path, method="tpe", trials=50, halving=1, space=SEARCH)
    etas = [trial.point["eta"] for trial in run(tmp_path / "journal.log", space).trials]
    assert sum(etas[-20:]) / 20 < sum(etas[:10]) / 10 / 2


def test_more_trials_of_the_same_search_continue_it(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    few = run(journal, load(tmp_path, method="random", trials=5, halving=1, space=SEARCH)).trials
    more = run(journal, load(tmp_path, method="random", trials=9, halving=1, space=SEARCH)).trials
    assert (more[:5], len({str(trial.point) for trial in more})) == (few, 9)
