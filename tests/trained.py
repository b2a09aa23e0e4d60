"""A folder where the stages have trained a network on some of MNIST, and where tests run commands."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from mnist.model import Model, load_model
from stages.download import download
from stages.pipeline import BASELINE, Workspace
from stages.prepare import prepare
from stages.train import train
from tests.helpers import ROOT, recipe

# The cheapest of our recipes whose network reads all digits of studies/handwriting.py with any seed.
CHEAP = recipe(
    epochs=3,
    batch_size=50,
    weight_decay=0.0003,
    data={"validation": 40_000},
    network={"hidden": [100, 100]},
    deformation={"rotation": 15, "scaling": 0.15, "shear": 0.15, "shift": 1, "elastic": 1},
)


class TrainedProject:
    """The folder, its network, and ways to run stages and commands in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = Workspace(root)

    @cached_property
    def model(self) -> Model:
        """The network."""
        return load_model(self.workspace.model)

    def train(self) -> None:
        """Fill an empty folder."""
        (self.root / "params.yaml").write_text(yaml.safe_dump(CHEAP.model_dump()))
        (self.root / "metrics").mkdir()
        shutil.copy(ROOT / BASELINE, self.root / BASELINE)
        self.call(download, prepare, train)

    def call(self, *stages: Callable[..., None]) -> None:
        """Run stages in this process."""
        with contextlib.chdir(self.root):
            for stage in stages:
                stage(CHEAP, Workspace(Path()))

    def run(self, *arguments: str, data: bytes = b"", **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run Python with these arguments and this standard input."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"} | environment,
            input=data,
            capture_output=True,
            check=False,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def mnist(self, *arguments: Any, data: bytes = b"", **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run the command `mnist`."""
        return self.run("-m", "mnist", *map(str, arguments), data=data, **environment)
