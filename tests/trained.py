"""A folder in which the stages have run on the real MNIST for a few epochs, and the command `mnist` can be typed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from mnist.storage import Model, load_model
from tests.recipe import DEFAULT, ROOT

FEW_EPOCHS = DEFAULT | {
    "epochs": 10,
    "weight_decay": 0.0003,
    "rotation": 15,
    "scaling": 0.15,
    "shear": 0.15,
    "shift": 1,
}


class TrainedProject:
    """The folder, its network, and commands to run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "params.yaml").write_text(yaml.safe_dump(FEW_EPOCHS | {"elastic": 1}))
        (root / "metrics").mkdir()
        shutil.copy(ROOT / "metrics/recorded.json", root / "metrics")
        for stage in ("download", "prepare", "train", "evaluate", "plots_page", "report"):
            done = self.run("-m", f"stages.{stage}")
            assert done.returncode == 0, done.stderr
        self.model: Model = load_model(root / "models/model.safetensors")
        self.report = root / "reports/index.html"

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
