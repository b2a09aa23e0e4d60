"""A killed training resumes where it stopped, and ends with the same bytes as an uninterrupted one."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.helpers import ROOT
from tests.stages.project import Project

# Save a checkpoint after every epoch: these tests do not test the time between checkpoints.
TRAIN = """
import runpy, mnist.checkpoint
mnist.checkpoint._PAUSE, mnist.checkpoint._SHARE = 0, 1
runpy.run_module("stages.train", run_name="__main__")
"""
RESULTS = ("models", "plots/history.csv")
LONG: dict[str, Any] = {"epochs": 60, "shards": 2, "deformation": {"rotation": 10, "elastic": 1}}


def start(project: Project, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN],
        cwd=project.root,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> tuple[str, str]:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err


def checkpoints(project: Project) -> list[Path]:
    return sorted((project.root / ".checkpoints").glob("*.safetensors"))


def wait_for_checkpoint(process: "subprocess.Popen[str]", project: Project, before: Sequence[int] = ()) -> None:
    """Wait until there is a checkpoint that differs from the one `before`, if there was one."""
    deadline = time.monotonic() + 300
    while [path.stat().st_mtime_ns for path in checkpoints(project)] == list(before):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def kill_midway(project: Project, seconds: float = 0, **environment: str) -> str:
    """Kill a training some time after it has written a checkpoint, and return what it printed."""
    before = [path.stat().st_mtime_ns for path in checkpoints(project)]
    process = start(project, **environment)
    wait_for_checkpoint(process, project, before)
    time.sleep(seconds)
    process.kill()
    return process.communicate()[0]


def results(project: Project) -> dict[str, bytes]:
    return {name: data for name, data in project.files("models", "plots").items() if name.startswith(RESULTS)}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.set(**LONG)
    project.run("stages.prepare")
    return project


def test_killed_again_and_again_it_ends_with_the_same_bytes(project: Project) -> None:
    finish(start(project, MNIST_PROCESSES="1"))
    undisturbed = results(project)
    for name in undisturbed:
        (project.root / name).unlink()

    moments = random.Random(0)
    begun_at = []
    for number in range(6):
        out = kill_midway(project, seconds=moments.uniform(0, 0.02), MNIST_PROCESSES=str(number % 2 + 1))
        begun_at += [int(line.split()[3].rstrip(",")) for line in out.splitlines() if line.startswith("resumes")]
    out, err = finish(start(project))
    assert "resumes after epoch" in out
    assert err == ""
    # All but the first process resumed, each at a later epoch than the one before.
    assert len(begun_at) == 5
    assert begun_at == sorted(set(begun_at))
    assert results(project) == undisturbed
    assert checkpoints(project) == []


def test_a_killed_child_ends_the_training_in_one_sentence_and_the_same_command_resumes(project: Project) -> None:
    process = start(project, MNIST_PROCESSES="2")
    wait_for_checkpoint(process, project)
    (child,) = psutil.Process(process.pid).children()
    child.kill()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert re.fullmatch(r"error: one of the 2 processes that train together has ended early \(.*\)\n", err)
    assert "resumes after epoch" in finish(start(project))[0]


def test_ctrl_c_loses_nothing_and_the_same_command_resumes(project: Project) -> None:
    process = start(project)
    wait_for_checkpoint(process, project)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert err == "interrupted; earlier results are untouched, and the same command resumes\n"
    out, _ = finish(start(project))
    assert "resumes after epoch" in out


def test_another_training_does_not_resume_from_it(project: Project) -> None:
    kill_midway(project)
    changes: list[dict[str, Any]] = [{"eta": 0.05}, {"epochs": 61}, {"seed": 2}, {"schedule": "linear"}]
    for number, change in enumerate(changes, 2):
        project.set(**LONG | change)
        assert "resumes" not in kill_midway(project)
        assert len(checkpoints(project)) == number


def test_a_training_on_other_data_does_not_resume_from_it(project: Project) -> None:
    kill_midway(project)
    labels = project.root / "data/raw/train-labels-idx1-ubyte"
    data = bytearray(labels.read_bytes())
    data[100] = (data[100] + 1) % 10
    labels.write_bytes(data)
    project.run("stages.prepare")
    assert "resumes" not in kill_midway(project)


def test_a_damaged_checkpoint_is_set_aside_with_a_warning(project: Project) -> None:
    finish(start(project))
    undisturbed = results(project)
    kill_midway(project)
    (checkpoint,) = checkpoints(project)
    data = bytearray(checkpoint.read_bytes())
    data[-1000] ^= 4
    checkpoint.write_bytes(data)
    out, err = finish(start(project))
    assert "resumes" not in out
    assert f"warning: .checkpoints/{checkpoint.name}: is not a checkpoint of this training: it is damaged" in err
    assert checkpoint.with_suffix(".damaged").read_bytes() == data
    assert results(project) == undisturbed


def test_a_second_process_waits_for_the_first_and_ends_with_the_same(project: Project) -> None:
    first = start(project)
    wait_for_checkpoint(first, project)
    first.send_signal(signal.SIGSTOP)
    second = start(project)
    assert second.stderr
    assert second.stderr.readline() == "another process is training exactly this; waiting for it to end\n"
    first.send_signal(signal.SIGCONT)
    finish(first)
    once = results(project)
    finish(second)
    assert results(project) == once


def test_checkpoints_lie_in_the_folder_that_dvc_names(project: Project, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    process = start(project, DVC_ROOT=str(place))
    deadline = time.monotonic() + 300
    while not list(place.glob(".checkpoints/*.safetensors")):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert "resumes after epoch" in finish(start(project, DVC_ROOT=str(place)))[0]
    assert not list(project.root.glob(".checkpoints"))
