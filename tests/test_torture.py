"""Shorter versions of the trials that `make torture` runs for a quarter of an hour, and the table of attacks."""

import itertools

import pytest

from mnist.files import load_csv
from tests import torture
from tests.attacks import files, surroundings
from tests.attacks.__main__ import CSV, HEADER
from tests.attacks.engine import Case, try_all
from tests.stages.project import Project


def test_a_killed_stage_loses_nothing() -> None:
    stages = ["prepare", "train", "evaluate", "report"]
    assert [row.lost for row in torture.kill_stages(stages, times=2)] == [0, 0, 0, 0]


def test_a_killed_download_loses_nothing() -> None:
    assert torture.kill_download(times=2).lost == 0


def test_damaged_files_are_rejected_with_a_documented_error(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = torture.fuzz
    monkeypatch.setattr(torture, "fuzz", lambda name, read, data, _: whole(name, read, data, 1000))
    rows = list(torture.fuzz_all())
    assert [row.lost for row in rows] == [0, 0, 0, 0]
    assert {row.times for row in rows} == {1000}


def test_a_long_training_does_not_grow() -> None:
    assert torture.soak(epochs=150).lost == 0


def test_the_fuzzer_counts_undocumented_errors() -> None:
    calls = itertools.count()
    row = torture.fuzz("nothing", lambda _: 1 / (next(calls) % 2), b"abc", 10)
    assert row.lost == 5


def test_attacks_of_all_families_end_well_and_a_bad_end_is_noticed(
    finished: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = [
        Case("bad", "traceback", ["timeit", "1 / 0"]),
        Case("bad", "lost", ["timeit", "-n1", "-r1", "open('data/prepared.npz', 'w')"], shell='"$@"; exit 1'),
    ]
    hanging = Case("bad", "hung", ["timeit", "import time; time.sleep(99)"])
    with surroundings.mirrors() as mirrors:
        families = (
            files.parameters(), files.pictures(), files.models(), files.results(), mirrors, surroundings.folders(),
            surroundings.kills(), surroundings.environments(),
        )  # fmt: skip
        good = try_all([next(family) for family in families], finished)
    assert [ending.verdict for ending in try_all(bad, finished)] == ["traceback", "lost"]
    monkeypatch.setattr("tests.attacks.engine._PATIENCE", 2.0)
    assert [ending.verdict for ending in try_all([hanging], finished)] == ["hung"]
    assert {ending.verdict for ending in good} <= {"accepted", "rejected"}


def test_the_last_run_of_all_attacks_had_no_failure() -> None:
    rows = load_csv(CSV, HEADER)
    assert sum(int(row["tried"]) for row in rows) > 800
    assert {row[name] for row in rows for name in ("hung", "lost", "traceback")} == {"0"}
