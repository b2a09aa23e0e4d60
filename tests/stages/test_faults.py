"""A disk that is full and folders that cannot be written: said in words, and the last good result stays."""

import ctypes
import itertools
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recipe import ROOT
from tests.stages.test_stages import Project

STAGES = ["prepare", "train", "evaluate", "plots_page", "report"]
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1  # linux/prctl.h, linux/capability.h
OUTPUTS = ("data", "models", "metrics", "plots", "reports")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("faults"))
    project.run(*STAGES)
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    return finished.copy_to(tmp_path / "project")


def fail(stage: str, project: Project, limit: Callable[[], None]) -> str:
    process = subprocess.run(
        [sys.executable, "-B", "-m", f"stages.{stage}"],
        cwd=project.root,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1, process.stdout + process.stderr
    assert process.stderr.startswith("error: ")
    assert "Traceback" not in process.stderr
    return process.stderr


# The larger sizes leave room for some of a stage's files and not for others.
@pytest.mark.parametrize(
    ("stage", "size"),
    [*itertools.product(STAGES, [0, 100]), ("prepare", 100_000), ("train", 40_000), ("evaluate", 10_000)],
)
def test_a_full_disk_is_told_and_loses_nothing(stage: str, size: int, project: Project) -> None:
    project.set(seed=2)  # so that every stage has something new to write
    before = project.files(*OUTPUTS)
    message = fail(stage, project, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
    assert re.match(
        "error: (data|models|plots|metrics|reports|.checkpoints)/.*(File too large|cannot be written)", message
    )
    assert project.files(*OUTPUTS) == before
    # With room again, the same command does its work.
    project.run(stage)


def test_a_network_too_large_for_memory_is_told_and_loses_nothing(project: Project) -> None:
    project.set(hidden=[60_000, 60_000])
    before = project.files(*OUTPUTS)
    message = fail("train", project, lambda: resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30)))
    assert message.startswith("error: there is not enough memory: Unable to allocate 13.6 GiB")
    assert project.files(*OUTPUTS) == before


def as_a_user() -> None:
    """Give up root's right to write everywhere (CAP_DAC_OVERRIDE), where it is root that tests."""
    if os.geteuid() == 0:
        assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) == 0


@pytest.mark.parametrize(
    ("stage", "folder"),
    [("prepare", "data/prepared"), ("train", "models"), ("train", "plots"), ("train", "."), ("evaluate", "metrics"),
     ("evaluate", "plots"), ("plots_page", "plots")],
)  # fmt: skip
def test_a_folder_that_cannot_be_written_is_named_and_nothing_is_lost(
    stage: str, folder: str, project: Project
) -> None:
    shutil.rmtree(project.root / ".checkpoints")
    for path in (project.root / folder, *(project.root / folder).glob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = project.files(*OUTPUTS)
    message = fail(stage, project, as_a_user)
    assert "Permission denied" in message
    assert message.startswith(f"error: {folder}/" if folder != "." else "error: .checkpoints: ")
    assert project.files(*OUTPUTS) == before
    for path in (project.root / folder, *(project.root / folder).glob("*")):
        path.chmod(0o755)
