"""The memory of a sweep: what Optuna's journal gives back after a process was killed at any moment."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from mnist.files import DamagedFileError, save_bytes
from sweeps.space import Sweep
from sweeps.states import States
from sweeps.study import Row, Trial, best_of, opened
from sweeps.trial import Leg
from tests.sweeps.faults import write

SEARCH = {"eta": {"low": 0.001, "high": 1, "log": True}, "batch_size": {"low": 5, "high": 50}, "hidden": [[8], [4, 4]]}


def figures(trial: Trial) -> Leg:
    """Return what a leg might give: better with a small eta."""
    accuracy = 1 - trial.values["eta"] / 2 + trial.rung / 100
    return Leg(trial.rung, [b"", b""], [1 - accuracy, 1 - accuracy], [accuracy, accuracy], 0.5)


def run(folder: Path, sweep: Sweep, at_most: int = 1000) -> list[Row]:
    """Run trials one after another; stop, as if killed, after so many legs."""
    legs = 0
    with opened(folder, sweep) as study:
        while (trial := study.next()) is not None:
            while True:
                if legs == at_most:
                    return study.rows()
                legs += 1
                if not study.report(trial, figures(trial)):
                    break
        assert study.finished
        return study.rows()


def sweeps(folder: Path) -> Iterator[Sweep]:
    yield Sweep.load(write(folder, space={"eta": [0.1, 0.2, 0.3, 0.4], "hidden": [[8], [4, 4]]}))
    for method in ("random", "tpe"):
        yield Sweep.load(write(folder, method=method, trials=15, space=SEARCH))


def test_a_killed_sweep_ends_as_one_that_was_not(tmp_path: Path) -> None:
    for number, sweep in enumerate(sweeps(tmp_path)):
        whole = run(tmp_path / f"whole{number}", sweep)
        folder = tmp_path / f"killed{number}"
        for _ in range(100):
            rows = run(folder, sweep, at_most=2)
        assert [row.number for row in rows] == list(range(sweep.trials))
        assert [(row.values, row.epochs) for row in rows] == [(row.values, row.epochs) for row in whole]
        assert {row.state for row in rows} == {"complete", "pruned"}


def test_halving_stops_the_worse(tmp_path: Path) -> None:
    sweep = Sweep.load(write(tmp_path, method="random", trials=60, halving=3, epochs=9, space=SEARCH))
    rows = run(tmp_path / "study", sweep)
    best = best_of(rows, sweep)
    assert best is not None
    assert best.values["eta"] == min(row.values["eta"] for row in rows)
    assert sum(row.epochs for row in rows) < 60 * 9 / 2.5
    assert {row.epochs for row in rows if row.state == "pruned"} <= {1, 3}


def test_without_halving_every_trial_comes_to_its_end(tmp_path: Path) -> None:
    sweep = Sweep.load(write(tmp_path, halving=0, objective="validation_loss"))
    rows = run(tmp_path / "study", sweep)
    assert {(row.state, row.epochs) for row in rows} == {("complete", 4)}
    best = best_of(rows, sweep)
    assert best is not None
    assert best.loss == min(row.loss for row in rows)


def test_tpe_looks_where_it_went_well(tmp_path: Path) -> None:
    sweep = Sweep.load(write(tmp_path, method="tpe", trials=60, halving=0, space=SEARCH))
    rows = run(tmp_path / "study", sweep)
    first, last = ([row.values["eta"] for row in part] for part in (rows[:10], rows[-20:]))
    assert sum(last) / len(last) < sum(first) / len(first) / 2


def test_more_trials_of_the_same_search_go_on_from_those_there_are(tmp_path: Path) -> None:
    few = run(tmp_path / "study", Sweep.load(write(tmp_path, method="random", trials=5, halving=0, space=SEARCH)))
    sweep = Sweep.load(write(tmp_path, method="random", trials=9, halving=0, space=SEARCH))
    more = run(tmp_path / "study", sweep)
    assert (more[:5], len(more)) == (few, 9)
    assert len({str(row.values) for row in more}) == 9
    fewer = Sweep.load(write(tmp_path, method="random", trials=3, halving=0, space=SEARCH))
    assert run(tmp_path / "study", fewer) == more[:3]


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_an_entry_that_was_being_written_costs_that_entry(tmp_path: Path, cut: int) -> None:
    sweep = Sweep.load(write(tmp_path))
    run(tmp_path / "study", sweep, at_most=5)
    journal = tmp_path / "study/journal.log"
    journal.write_bytes(journal.read_bytes()[:-cut])
    rows = run(tmp_path / "study", sweep)
    assert [row.number for row in rows] == [0, 1, 2, 3]
    assert "running" not in {row.state for row in rows}


def test_every_prefix_of_a_journal_can_be_gone_on_from(tmp_path: Path) -> None:
    """Whatever moment a process dies in, no trial is lost or there twice."""
    sweep = Sweep.load(write(tmp_path, space={"eta": [0.1, 0.2, 0.3]}))
    whole = run(tmp_path / "whole", sweep)
    lines = (tmp_path / "whole/journal.log").read_bytes().splitlines(keepends=True)
    for length in range(len(lines)):
        folder = tmp_path / f"cut{length}"
        folder.mkdir()
        (folder / "journal.log").write_bytes(b"".join(lines[:length]))
        rows = run(folder, sweep)
        assert [(row.number, row.values) for row in rows] == [(row.number, row.values) for row in whole], length
        assert {row.state for row in rows} <= {"complete", "pruned"}, length


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"nonsense", b"{}", b"[1]", b'{"op_code":99}'])
def test_a_damaged_journal_is_named(tmp_path: Path, damage: bytes) -> None:
    sweep = Sweep.load(write(tmp_path, space={"eta": [0.1, 0.2, 0.3]}))
    run(tmp_path / "sweep", sweep)
    journal = tmp_path / "sweep/journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:5], damage + b"\n", *lines[6:]]))
    with pytest.raises(DamagedFileError, match=f"{journal}: is damaged .*; delete it"):
        run(tmp_path / "sweep", sweep)


@pytest.mark.parametrize(("failure", "state"), [({}, "failed"), ({"timed_out": True}, "timed out")])
def test_a_failure_is_told_with_its_reason(tmp_path: Path, failure: dict[str, Any], state: str) -> None:
    sweep = Sweep.load(write(tmp_path))
    with opened(tmp_path / "study", sweep) as study:
        trial = study.next()
        assert trial is not None
        study.fail(trial, "it is Monday", seconds=3, **failure)
    row = run(tmp_path / "study", sweep)[0]
    assert (row.state, row.reason, row.seconds, row.epochs) == (state, "it is Monday", 3.0, 0)


@pytest.mark.parametrize("description", ["{", "[" * 100_000, "null"])
def test_a_damaged_state_costs_time_only(tmp_path: Path, description: str) -> None:
    save_bytes(tmp_path / "3-0.safetensors", save({"theta": np.zeros(3)}, {"mnist": description}))
    assert States(tmp_path, 1).load(3) is None
