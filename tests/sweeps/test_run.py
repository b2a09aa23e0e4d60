"""The command that runs a sweep, as a user types it, and what it leaves behind."""

import csv
import io
import os
import shutil
import socket
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from mnist import idx
from mnist.hyperparameters import Hyperparameters
from mnist.sources import TRAIN_IMAGES, TRAIN_LABELS
from stages.command import RAW
from sweeps.table import command
from sweeps.tls import make_certificates
from tests.recipe import DEFAULT, ROOT, recipe
from tests.sweeps.faults import DIGITS, RemoteCluster, write

OUTPUTS = ["best.yaml", "parallel.svg", "parameters.svg", "trials.csv", "trials.svg"]


class Project:
    """A folder with a few training images, a recipe and a sweep; there are no test images."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / RAW).mkdir(parents=True)
        (root / RAW / TRAIN_IMAGES).write_bytes(idx.encode(DIGITS.all.images.reshape(-1, 28, 28)))
        (root / RAW / TRAIN_LABELS).write_bytes(idx.encode(DIGITS.all.labels))
        (root / "params.yaml").write_text(yaml.safe_dump(DEFAULT))
        (root / "sweeps").mkdir()
        self.set()

    def set(self, **changes: Any) -> None:
        write(self.root / "sweeps", **changes)

    def call(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "sweeps.run", *words],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *words: str) -> str:
        done = self.call(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fail(self, *words: str) -> str:
        """Run what should fail: with a message, no traceback, and the last good results as they were."""
        before = self.files()
        done = self.call(*words)
        assert done.returncode == 1
        assert "Traceback" not in done.stdout + done.stderr
        assert self.files() == before
        return done.stderr

    def files(self) -> dict[str, bytes]:
        return {
            name: (self.root / "sweeps" / name).read_bytes()
            for name in OUTPUTS
            if (self.root / "sweeps" / name).exists()
        }


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_sweep_leaves_all_trials_the_best_recipe_and_three_pictures(project: Project) -> None:
    project.set(space={"eta": [0.05, 0.1, 1e9], "hidden": [[8], [8, 4]]})
    printed = project.run("--workers", "1")
    files = project.files()
    assert list(files) == OUTPUTS
    rows = list(csv.DictReader(io.StringIO(files["trials.csv"].decode())))
    assert [row["trial"] for row in rows] == list("012345")
    assert {row["state"] for row in rows if row["eta"] == "1000000000.0"} == {"failed"}
    assert {row["state"] for row in rows if row["eta"] != "1000000000.0"} <= {"complete", "pruned"}
    assert all(row["seeds"] == "1 2" and ("diverged" in row["reason"]) == (row["state"] == "failed") for row in rows)

    best = Hyperparameters.load(project.root / "sweeps/best.yaml")
    ended = [row for row in rows if row["state"] == "complete"]
    row = max(ended, key=lambda row: float(row["validation_accuracy"]))
    assert (str(best.eta), str(best.hidden), best.epochs) == (row["eta"], row["hidden"], 4)
    assert printed.splitlines()[-1] == command(best, recipe())
    for name in OUTPUTS:
        if name.endswith(".svg"):
            assert len(list(ET.fromstring(files[name].decode()).iter())) > 30

    # Run again, it has nothing to do, and writes the same.
    (project.root / "sweeps/best.yaml").unlink()
    again = project.run()
    assert "goes on after 6 trials" in again
    assert again.splitlines()[-1] == printed.splitlines()[-1]
    assert project.files() == files

    # And one that comes to nothing leaves the last results.
    project.set(space={"eta": [1e9]})
    assert "none of 1 trials came to its end, for these reasons:\n  training diverged" in project.fail("--workers", "1")
    # What to delete is named, and brings it about that they are tried again.
    told = project.fail("--workers", "1")
    shutil.rmtree(project.root / told.split("delete ")[1].split(",")[0])
    assert "goes on after" not in project.fail("--workers", "1")


@pytest.mark.parametrize(
    ("changes", "words", "fault"),
    [
        ({"space": {"etta": [1]}}, [], "etta: there is no such key; did you mean eta?"),
        ({"space": {"batch_size": [20, 500]}}, [], "batch_size = 500: should be at most 150"),
        ({}, ["--scheduler", "tcp://127.0.0.1:8786"], "is not protected: whoever reaches this scheduler can run any"),
        ({}, ["--scheduler", "tls://127.0.0.1:8786"], "needs --certificates, a folder"),
        ({}, ["--scheduler", "tls://127.0.0.1:1", "--certificates", "tls"], "no scheduler can be reached there"),
        ({}, ["--scheduler", "tls://127.0.0.1:1", "--certificates", "nowhere"], "ca.pem: is missing"),
        ({}, ["nowhere.yaml"], "nowhere.yaml: cannot be read"),
    ],
)
def test_what_cannot_go_well_is_refused_before_the_first_trial(
    project: Project, changes: dict[str, Any], words: list[str], fault: str
) -> None:
    make_certificates(project.root / "tls")
    project.set(**changes)
    assert fault in project.fail(*words)
    assert not (project.root / ".sweeps").exists()


def test_a_sweep_on_a_remote_cluster_with_tls(project: Project) -> None:
    remote = RemoteCluster(project.root)
    remote.start()
    words = ["--scheduler", remote.address, "--certificates", str(remote.certificates)]
    try:
        for _ in range(120):
            if (done := project.call(*words)).returncode == 0:
                break
            assert "no scheduler can be reached there" in done.stderr
    finally:
        remote.kill()
    there = project.files()["best.yaml"]
    shutil.rmtree(project.root / ".sweeps")
    project.run("--workers", "1")
    assert project.files()["best.yaml"] == there


def test_the_example_for_slurm_runs_a_sweep(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    tools = tmp_path_factory.mktemp("tools")
    # In the place of SLURM: what `srun` would run on another node runs here.
    for name, text in {"srun": 'exec "$@"', "hostname": "echo 127.0.0.1"}.items():
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", str(ROOT / "sweeps/slurm.sh"), "sweeps/sweep.yaml"],
        cwd=project.root,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "DASK_PORT": port},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("dvc exp run -S ")
    assert list(project.files()) == OUTPUTS


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"eta": 0.05, "epochs": 8}, "dvc exp run -S eta=0.05 -S epochs=8"),
        (
            {"hidden": [300, 100], "activation": "tanh", "bias": True},
            "-S 'hidden=[300,100]' -S activation=tanh -S bias=true",
        ),
        ({"weight_decay": 1e-05, "seed": 4}, "dvc exp run -S seed=4 -S weight_decay=1e-05"),
    ],
)
def test_the_command_names_what_differs_from_the_default(changes: dict[str, Any], words: str) -> None:
    assert words in command(recipe(**changes), recipe())
