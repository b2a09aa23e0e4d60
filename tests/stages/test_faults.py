"""A full disk and folders that cannot be written give one clear error, and the last good result stays."""

import ctypes
import os
import re
import resource

import pytest

from tests.stages.project import OUTPUTS, Project

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1  # linux/prctl.h, linux/capability.h


# The larger sizes leave room for some of a stage's files and not for others.
@pytest.mark.parametrize(
    ("stage", "size"),
    [("prepare", 100_000), ("train", 0), ("train", 40_000), ("evaluate", 0), ("evaluate", 5000),
     ("report", 0), ("report", 100_000)],
)  # fmt: skip
def test_a_full_disk_is_reported_and_loses_nothing(stage: str, size: int, project: Project) -> None:
    project.set(seed=2)  # so that every stage has something new to write
    before = project.files(*OUTPUTS)
    message = project.fail(f"stages.{stage}", lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
    assert re.match(
        "error: (data|models|plots|metrics|reports|.checkpoints)/.*(File too large|cannot be written)", message
    )
    assert project.files(*OUTPUTS) == before
    # Once there is space again, the same command succeeds.
    project.run(f"stages.{stage}")


def test_training_is_reported_as_done_once_it_is_saved(project: Project) -> None:
    project.set(seed=2)
    process = project.start("-m", "stages.train", limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
    out, err = process.communicate()
    assert err.startswith("error: ")
    assert "epochs in" not in out
    assert "3 epochs in" in project.run("stages.train")


def test_a_network_too_large_for_memory_is_reported_and_loses_nothing(project: Project) -> None:
    project.set(network={"hidden": [60_000, 60_000]})
    before = project.files(*OUTPUTS)
    limit = 6 * 2**30
    message = project.fail("stages.train", lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    assert message.startswith("error: there is not enough memory: Unable to allocate 13.6 GiB")
    assert project.files(*OUTPUTS) == before


def give_up_root() -> None:
    """Give up root's right to write everywhere (CAP_DAC_OVERRIDE), if root runs the tests."""
    if os.geteuid() == 0:
        assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) == 0


@pytest.mark.parametrize(
    ("stage", "folder"),
    [("prepare", "data"), ("train", "models"), ("train", "plots"), ("train", "."), ("evaluate", "metrics"),
     ("report", "reports")],
)  # fmt: skip
def test_a_folder_that_cannot_be_written_is_named_and_nothing_is_lost(
    stage: str, folder: str, project: Project
) -> None:
    paths = [project.root / folder, *(project.root / folder).glob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = project.files(*OUTPUTS)
    message = project.fail(f"stages.{stage}", give_up_root)
    assert "Permission denied" in message
    assert message.startswith(f"error: {folder}/" if folder != "." else "error: .checkpoints: ")
    assert project.files(*OUTPUTS) == before
    for path in paths:
        path.chmod(0o755)
