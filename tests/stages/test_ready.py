"""Before DVC runs: parameters that would stop DVC are rejected, and files that a kill damaged are restored."""

import itertools
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.stages.project import Project

LOCK = (ROOT / "dvc.lock").read_bytes()


@pytest.fixture
def committed(tmp_path: Path) -> Project:
    """Return a project in git, with a dvc.lock."""
    project = Project(tmp_path)
    (project.root / "dvc.lock").write_bytes(LOCK)
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "dvc.lock", "params.yaml"], [*identity, "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=project.root, check=True)
    return project


@pytest.mark.parametrize("left", [b"", LOCK[:37], b"\0" * 500], ids=["empty", "half", "zeros"])
def test_a_damaged_lock_is_restored_with_one_line(left: bytes, committed: Project) -> None:
    (committed.root / "dvc.lock").write_bytes(left)
    said = committed.run("stages.ready")
    assert said == "dvc.lock was damaged, as after a kill; `git checkout dvc.lock` has restored it\n"
    assert (committed.root / "dvc.lock").read_bytes() == LOCK


def test_a_whole_lock_and_no_lock_are_left_alone(committed: Project) -> None:
    (committed.root / "dvc.lock").write_bytes(b"schema: '2.0'\n")
    assert committed.run("stages.ready") == ""
    assert (committed.root / "dvc.lock").read_bytes() == b"schema: '2.0'\n"
    (committed.root / "dvc.lock").unlink()
    assert committed.run("stages.ready") == ""


def test_without_git_the_message_says_what_to_do(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (project.root / "dvc.lock").write_bytes(b"")
    assert "delete it" in project.fail("stages.ready")


def test_parameters_that_would_hang_dvc_are_rejected(committed: Project) -> None:
    lists = "".join(f"x{level}: &x{level} [{', '.join([f'*x{level - 1}'] * 10)}]\n" for level in range(1, 30))
    (committed.root / "params.yaml").write_text(f"x0: &x0 1\n{lists}")
    assert "anchor, alias or tag" in committed.fail("stages.ready")


def test_make_checks_before_dvc_runs() -> None:
    done = subprocess.run(["make", "-n", "all"], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if "stages.ready" in line or "dvc repro" in line]
    assert ["ready" in line for line in lines] == [True, False]


def test_every_stage_removes_old_leftovers_and_keeps_recent_ones(tmp_path: Path) -> None:
    project = Project(tmp_path)
    names = [
        "data/raw/.{}.tmp",
        "data/raw/{}.tmp",
        "data/.{}.partial",
        "models/.{}.partial",
        ".checkpoints/.{}.partial",
    ]
    for name, (age, seconds) in itertools.product(names, {"old": 3600, "new": 0}.items()):
        path = tmp_path / name.format(age)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
        os.utime(path, (time.time() - seconds,) * 2)
    project.run("stages.prepare")
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.suffix in (".tmp", ".partial")}
    assert left == {name.format("new") for name in names} | {"data/raw/old.tmp"}


@pytest.mark.parametrize("stage", ["ready", "train"])
def test_a_setting_that_tqdm_cannot_read_is_named(
    stage: str, committed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TQDM_MININTERVAL", "often")
    # In a new process: `run` forks a process that has already imported tqdm.
    assert committed.start("-m", f"stages.{stage}").communicate()[1] == (
        "error: the environment has a value that tqdm cannot read (could not convert string to float: 'often'); "
        "unset TQDM_MININTERVAL\n"
    )
