"""The number of processes of a training: the cores that it may use, or the number that the user sets."""

import os
from pathlib import Path

import pytest

from mnist import cores
from mnist.errors import MnistError


@pytest.fixture(autouse=True)
def _four_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 4, 5})
    monkeypatch.delenv(cores.PROCESSES, raising=False)


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        (None, 4), ("max 100000\n", 4), ("250000 100000\n", 2), ("50000 100000\n", 1), ("900000 100000\n", 4),
        ("", 4), ("5 0\n", 4), ("a b\n", 4),
    ],
)  # fmt: skip
def test_a_container_may_have_fewer_cores_than_the_machine(tmp_path: Path, quota: str | None, expected: int) -> None:
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota)
    assert cores.count_cores() == expected


@pytest.mark.parametrize(
    ("shards", "chosen", "expected"), [(1, "", 1), (2, "", 2), (8, "", 4), (8, "1", 1), (8, "6", 6), (2, "6", 2)]
)
def test_a_process_for_each_shard_but_no_more_than_cores_or_the_user_chooses(
    shards: int, chosen: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cores.PROCESSES, chosen)
    assert cores.choose_processes(shards) == expected


@pytest.mark.parametrize("chosen", ["0", "-2", "two", "1.5"])
def test_a_bad_number_of_processes_is_named(chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cores.PROCESSES, chosen)
    with pytest.raises(MnistError, match=f"MNIST_PROCESSES = {chosen}: should be a number of processes, 1 or more"):
        cores.choose_processes(2)
