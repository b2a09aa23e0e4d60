"""Small sweeps with some misbehaving trials, each sweep in its own process, which tests can kill."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import yaml

from mnist.data.idx import encode_idx
from mnist.data.published import TRAIN_IMAGES, TRAIN_LABELS
from mnist.errors import plain_errors
from mnist.files import save
from mnist.recipe import PARAMS
from stages.pipeline import RAW
from studies.sweep.cluster import reach_scheduler, start_workers
from studies.sweep.run import Sweep
from studies.sweep.space import Space
from studies.sweep.study import Study, Trial
from studies.sweep.trial import advance
from tests.forked import run_module
from tests.helpers import ROOT, VALUES, random_digits
from tests.sweep.machines import RemoteCluster
from tests.sweep.work import HANGS, HOLDS_THE_INTERPRETER, KILLS_ITS_WORKER, ODD_ETA, RAISES, work

DIGITS = random_digits(200)

DIVERGES = 1e9


def write_space(folder: Path, **changes: Any) -> Path:
    """Write a small recipe and a space around it, and return the space's file."""
    (folder / "recipe.yaml").write_text(yaml.safe_dump(VALUES))
    settings = {
        "recipe": str(folder / "recipe.yaml"),
        "method": "grid",
        "trials": 1000,
        "epochs": 4,
        "objective": "validation_accuracy",
        "halving": 2,
        "first_rung": 1,
        "time_limit": 60,
        "space": {"eta": [0.02, 0.1], "alpha": [0.0, 0.9]},
    }
    file = folder / "small.yaml"
    file.write_text(yaml.safe_dump(settings | changes))
    return file


def write_odd_space(folder: Path) -> Path:
    """Write a space of 15 trials: five diverge, one raises, one hangs, one hangs in one instruction, one kills."""
    etas = [ODD_ETA, 0.1, DIVERGES]
    return write_space(folder, time_limit=3, space={"eta": etas, "deformation.rotation": [0, 1, 2, 3, 4]})


def run_here(folder: Path, address: str = "") -> None:
    """Run the sweep in a folder, or the rest of it."""
    connect = partial(reach_scheduler, address) if address else partial(start_workers, 2, folder / "log")
    Sweep(Space.load(folder / "small.yaml", DIGITS), folder / "kept", work).run(connect)


def start_sweep(folder: Path, cluster: RemoteCluster | None = None) -> "subprocess.Popen[str]":
    """Start a process that runs the sweep in a folder, here or on a cluster."""
    before, address = (cluster.machines.hub, [cluster.address]) if cluster else ([], [])
    command = [*before, sys.executable, "-m", "tests.sweep.faults", str(folder), *address]
    environment = os.environ | (cluster.environment if cluster else {})
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes)


def count_ended(folder: Path) -> int:
    """Return how many trials of a sweep have ended, according to its journal."""
    lines = [line for journal in folder.rglob("journal.log") for line in journal.read_text().splitlines()]
    return sum('"state": "running"' not in line for line in lines)


class Project:
    """A folder with a few training images, a recipe and a space, for the command; there are no test images."""

    def __init__(self, root: Path) -> None:
        self.root = root
        images = DIGITS.images.reshape(-1, 28, 28)
        save({root / RAW / TRAIN_IMAGES: encode_idx(images), root / RAW / TRAIN_LABELS: encode_idx(DIGITS.labels)})
        (root / PARAMS).write_text(yaml.safe_dump(VALUES))
        write_space(root)

    def start(self, *words: str, before: Sequence[str] = (), **environment: str) -> "subprocess.Popen[str]":
        """Start the command on the space of the folder; `before` are the words that choose the machine."""
        command = [*before, sys.executable, "-m", "studies.sweep", "small.yaml", *words]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | environment
        return subprocess.Popen(command, cwd=self.root, env=environment, text=True, **pipes)

    def run(self, *words: str, code: int = 0) -> str:
        """Run the command, which should end with this code and no traceback, and return what it prints."""
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = run_module("studies.sweep", "small.yaml", *words, cwd=self.root, environment=environment)
        printed = done.stderr + done.stdout
        assert done.returncode == code, printed
        assert "Traceback" not in printed
        return printed


def workers_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Return the worker processes of a sweep, including those that are starting."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return list[psutil.Process](psutil.Process(process.pid).children())
    return []


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Wait until something is true, or the process has ended."""
    while not condition() and process.poll() is None:
        time.sleep(0.02)


def kill(*processes: psutil.Process | subprocess.Popen[str]) -> None:
    """Kill processes that may have ended."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def faults_in(folder: Path) -> list[str]:
    """Return the faults in the trials of a sweep: a lost or duplicate trial, a wrong state, reason or figure."""
    space = Space.load(folder / "small.yaml", DIGITS)
    trials = Study(folder / "kept/journal.log", space).trials
    found = [] if [trial.point for trial in trials] == space.points else ["the trials differ from the grid"]
    return found + [f"{trial}: {fault}" for trial in trials if (fault := _fault_of(space, trial))]


def _fault_of(space: Space, trial: Trial) -> str:
    recipe = space.recipe_of(trial.point)
    odd = int(recipe.deformation.rotation) if recipe.eta == ODD_ETA else 0
    expected = {
        RAISES: ("failed", "RuntimeError: a fault of the code"),
        HANGS: ("timed out", f"stopped after {space.settings.time_limit:g} s"),
        HOLDS_THE_INTERPRETER: ("timed out", f"stopped after {space.settings.time_limit:g} s"),
        KILLS_ITS_WORKER: ("failed", "it killed 3 workers"),
    }
    if recipe.eta == DIVERGES:
        expected = {odd: ("failed", "training diverged in epoch 1")}
    if odd in expected:
        state, reason = expected[odd]
        return "" if trial.state == state and trial.reason.startswith(reason) else f"should be {expected[odd]}"
    if trial.state != ("complete" if trial.epochs == space.settings.epochs else "pruned"):
        return "should be complete or pruned"
    last = advance(space.prepared, recipe, None, trial.epochs).last
    same = (last.validation_loss, last.validation_accuracy) == (trial.validation_loss, trial.validation_accuracy)
    return "" if same else f"should have the figures of one that nothing disturbed: {last}"


if __name__ == "__main__":
    with plain_errors():
        run_here(Path(sys.argv[1]), *sys.argv[2:])
