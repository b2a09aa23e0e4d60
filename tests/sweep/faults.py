"""Small sweeps, some of whose trials misbehave, as a process of their own that tests can kill."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import yaml
from optuna.trial import FrozenTrial

from mnist.data.published import TRAIN_IMAGES, TRAIN_LABELS
from mnist.errors import plain_errors
from mnist.files import save
from mnist.recipe import PARAMS
from stages.pipeline import RAW
from studies.sweep.cluster import local, remote
from studies.sweep.run import Sweep
from studies.sweep.space import Space
from studies.sweep.study import Study, state_of
from studies.sweep.trial import advance
from tests.helpers import ROOT, VALUES, encode_idx, random_digits
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
    """Write a space of 25 trials; five diverge, and one each raises, hangs, hangs in one instruction, kills."""
    etas = [0.02, ODD_ETA, 0.1, 0.3, DIVERGES]
    return write_space(folder, time_limit=3, space={"eta": etas, "deformation.rotation": [0, 1, 2, 3, 4]})


def run_here(folder: Path, address: str = "") -> None:
    """Run the sweep in a folder, or what is left of it."""
    connect = partial(remote, address, DIGITS) if address else partial(local, 2, folder / "log", DIGITS)
    Sweep(Space.load(folder / "small.yaml", DIGITS), folder / "kept", work).run(connect)


def start_sweep(folder: Path, *address: str, **environment: str) -> "subprocess.Popen[str]":
    """Start a process that runs the sweep in a folder."""
    command = [sys.executable, "-m", "tests.sweep.faults", str(folder), *address]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, text=True, **pipes)


def count_ended(folder: Path) -> int:
    """Return how many trials of a sweep have ended, as its journal has it."""
    return sum(journal.read_text().count('"op_code": 6') for journal in folder.rglob("journal.log"))


class Project:
    """A folder with a few training images, a recipe and a space, for the command; there are no test images."""

    def __init__(self, root: Path) -> None:
        self.root = root
        images = DIGITS.images.reshape(-1, 28, 28)
        save({root / RAW / TRAIN_IMAGES: encode_idx(images), root / RAW / TRAIN_LABELS: encode_idx(DIGITS.labels)})
        (root / PARAMS).write_text(yaml.safe_dump(VALUES))
        write_space(root)

    def start(self, *words: str, **environment: str) -> "subprocess.Popen[str]":
        """Start the command on the space of the folder."""
        command = [sys.executable, "-m", "studies.sweep", "small.yaml", *words]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | environment
        return subprocess.Popen(command, cwd=self.root, env=environment, text=True, **pipes)

    def run(self, *words: str, code: int = 0, **environment: str) -> str:
        """Run the command, which should end with this code and no traceback, and return what it prints."""
        process = self.start(*words, **environment)
        printed = process.communicate()[0]
        assert process.returncode == code, printed
        assert "Traceback" not in printed
        return printed


def workers_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Return the worker processes of a sweep, those that just start among them."""
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


class RemoteCluster:
    """A scheduler and workers with TLS, as the documentation starts them on other machines."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        page = (ROOT / "docs/sweeps.md").read_text()
        subprocess.run(re.findall(r"^    (openssl .*)$", page, re.MULTILINE)[0].split(), cwd=folder, check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        self.address = f"tls://127.0.0.1:{self._port}"
        prefix, files = "DASK_DISTRIBUTED__COMM__TLS__", {"CERT": "cert.pem", "KEY": "key.pem"}
        self.environment = {"PYTHONPATH": str(ROOT), f"{prefix}CA_FILE": str(folder / "cert.pem")} | {
            f"{prefix}{role}__{name}": str(folder / file)
            for role in ("SCHEDULER", "WORKER", "CLIENT")
            for name, file in files.items()
        }
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start scheduler and workers."""
        preload = ["--no-dashboard", "--preload", "studies.sweep.cluster"]
        self._run("scheduler", "--protocol", "tls", "--host", "127.0.0.1", "--port", self._port, *preload)
        self._run("worker", self.address, "--nworkers", "2", "--nthreads", "1", "--local-directory", ".", *preload)

    def _run(self, *words: str) -> None:
        environment = os.environ | self.environment
        with (self._folder / "cluster.log").open("ab") as log:
            options: dict[str, Any] = {"stdout": log, "stderr": log, "start_new_session": True}
            command = [sys.executable, "-m", "dask", *words]
            self._processes.append(subprocess.Popen(command, cwd=self._folder, env=environment, **options))

    def kill(self) -> None:
        """Kill all of it at once."""
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                kill(*psutil.Process(process.pid).children(recursive=True))
            process.kill()
            process.wait()
        self._processes.clear()


def faults_in(folder: Path) -> list[str]:
    """Return what is wrong with the trials of a sweep: one lost, twice, or with a false state, reason or figure."""
    space = Space.load(folder / "small.yaml", DIGITS)
    trials = Study(folder / "kept/journal.log", space).trials()
    assert space.grid is not None
    found = [] if [trial.params for trial in trials] == space.grid else ["the trials are not those of the grid"]
    return found + [f"{trial}: {fault}" for trial in trials if (fault := _fault_of(space, trial))]


def _fault_of(space: Space, trial: FrozenTrial) -> str:
    recipe, state, figures = space.recipe_of(trial.params), state_of(trial), trial.user_attrs
    odd = int(recipe.deformation.rotation) if recipe.eta == ODD_ETA else 0
    died = ("failed", "3 workers died of it")
    expected = {
        RAISES: ("failed", "RuntimeError: a fault of the code"),
        HANGS: ("timed out", "stopped after 3 s"),
        HOLDS_THE_INTERPRETER: ("timed out", "stopped after 3 s"),
        KILLS_ITS_WORKER: died,
    }
    if recipe.eta == DIVERGES:
        expected = {odd: ("failed", "training diverged in epoch 1")}
    if odd in expected:
        end, reason = expected[odd]
        return "" if state == end and figures["reason"].startswith(reason) else f"should be {expected[odd]}"
    if state not in {"complete", "pruned"} or (state == "complete") != (figures["epochs"] == space.settings.epochs):
        return "should be complete or pruned"
    direct = advance(DIGITS, recipe, None, figures["epochs"])
    same = (direct.loss, direct.accuracy) == (figures["loss"], figures["accuracy"])
    return "" if same else f"should have the figures of one that nothing disturbed: {direct[2:4]}"


if __name__ == "__main__":
    with plain_errors():
        run_here(Path(sys.argv[1]), *sys.argv[2:])
