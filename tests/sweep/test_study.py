"""The memory of a sweep: what its journal gives back after a process was killed at any moment."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial

from mnist.files import DamagedFileError
from studies.sweep.results import best_of
from studies.sweep.space import Space
from studies.sweep.study import Study, state_of
from studies.sweep.trial import Leg
from tests.sweep.faults import DIGITS, write_space

SEARCH = {
    "eta": {"low": 0.001, "high": 1, "log": True},
    "batch_size": {"low": 5, "high": 50},
    "network.hidden": [[8], [4, 4]],
}


def load(folder: Path, **changes: Any) -> Space:
    return Space.load(write_space(folder, **changes), DIGITS)


def run(journal: Path, space: Space, at_most: int = 1000) -> list[FrozenTrial]:
    """Run trials one after another, better ones with a smaller eta; stop, as if killed, after so many legs."""
    study = Study(journal, space)
    left = study.unfinished()
    while (trial := left.pop(0) if left else study.ask()) is not None:
        goes_on = True
        while goes_on:
            if (at_most := at_most - 1) < 0:
                return study.trials()
            rung = next(rung for rung in space.rungs if rung > trial.user_attrs.get("epochs", 0))
            accuracy = 1 - space.recipe_of(trial.params).eta / 2 + rung / 100
            goes_on = study.report(trial, Leg(rung, b"", 1 - accuracy, accuracy, 0.5))
    return study.trials()


def facts(trials: list[FrozenTrial]) -> list[object]:
    return [(trial.number, trial.params, state_of(trial), trial.user_attrs) for trial in trials]


def spaces(folder: Path) -> Iterator[Space]:
    yield load(folder, space={"eta": [0.1, 0.2], "network.hidden": [[8], [4, 4]]})
    yield load(folder, method="tpe", trials=8, space=SEARCH)


def test_every_prefix_of_a_journal_resumes(tmp_path: Path) -> None:
    """Whenever a process dies, also within a line, no trial is lost or there twice, and the end is the same."""
    for place, space in enumerate(spaces(tmp_path)):
        journal = tmp_path / f"{place}.log"
        whole = facts(run(journal, space))
        assert len(whole) == space.trials
        data = journal.read_bytes()
        ends = [place + 1 for place, byte in enumerate(data) if byte == ord("\n")]
        for end in [0, 5, *ends, *(end - 7 for end in ends)]:
            journal.write_bytes(data[:end])
            assert facts(run(journal, space)) == whole, end


def test_a_sweep_that_is_killed_again_and_again_ends_as_one_that_was_not(tmp_path: Path) -> None:
    for place, space in enumerate(spaces(tmp_path)):
        for _ in range(30):
            trials = run(tmp_path / f"killed{place}", space, at_most=2)
        assert facts(trials) == facts(run(tmp_path / f"whole{place}", space))


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
    trials = run(tmp_path / "journal.log", space)
    best = best_of(trials, space)
    assert best is not None
    assert best.params["eta"] == min(trial.params["eta"] for trial in trials)
    assert sum(trial.user_attrs["epochs"] for trial in trials) < 60 * 9 / 2.5
    assert {trial.user_attrs["epochs"] for trial in trials if state_of(trial) == "pruned"} <= {1, 3}


def test_without_halving_every_trial_is_complete(tmp_path: Path) -> None:
    space = load(tmp_path, halving=0, objective="validation_loss")
    trials = run(tmp_path / "journal.log", space)
    assert {(state_of(trial), trial.user_attrs["epochs"]) for trial in trials} == {("complete", 4)}
    best = best_of(trials, space)
    assert best is not None
    assert best.user_attrs["loss"] == min(trial.user_attrs["loss"] for trial in trials)


def test_tpe_looks_where_it_went_well(tmp_path: Path) -> None:
    space = load(tmp_path, method="tpe", trials=50, halving=0, space=SEARCH)
    etas = [trial.params["eta"] for trial in run(tmp_path / "journal.log", space)]
    assert sum(etas[-20:]) / 20 < sum(etas[:10]) / 10 / 2


def test_more_trials_of_the_same_search_continue_it(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    few = run(journal, load(tmp_path, method="random", trials=5, halving=0, space=SEARCH))
    more = run(journal, load(tmp_path, method="random", trials=9, halving=0, space=SEARCH))
    assert (facts(more[:5]), len({str(trial.params) for trial in more})) == (facts(few), 9)
    assert facts(run(journal, load(tmp_path, method="random", trials=3, halving=0, space=SEARCH))) == facts(few[:3])
