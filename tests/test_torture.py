"""Shorter versions of the trials that `make torture` runs for a quarter of an hour."""

import itertools

import pytest

from tests import torture


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


def test_a_long_training_grows_in_no_way() -> None:
    assert torture.soak(epochs=150).lost == 0


def test_the_fuzzer_counts_undocumented_errors() -> None:
    calls = itertools.count()
    row = torture.fuzz("nothing", lambda _: 1 / (next(calls) % 2), b"abc", 10)
    assert row.lost == 5
