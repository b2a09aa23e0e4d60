"""A folder with params.yaml and a small MNIST-like data set, in which stages run as a user would run them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from mnist.checked import merge
from mnist.data.dataset import CLASS_NAMES, DIGITS
from mnist.data.idx import encode_idx
from mnist.data.published import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist.files import encode_json, save
from stages.pipeline import BASELINE, RAW
from tests.forked import run_module
from tests.helpers import ROOT, VALUES, random_digits

SMALL = {"data": {"validation": 100}, "network": {"hidden": [16]}}
STAGES = ("prepare", "train", "evaluate", "plots_page", "report")
OUTPUTS = ("data", "models", "metrics", "plots", "reports")


class Project:
    """The folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for images, labels, count in ((TRAIN_IMAGES, TRAIN_LABELS, 600), (TEST_IMAGES, TEST_LABELS, 200)):
            digits = random_digits(count, seed=count)
            pixels = digits.images.reshape(count, 28, 28)
            save({root / RAW / images: encode_idx(pixels), root / RAW / labels: encode_idx(digits.labels)})
        save({root / RAW / CLASS_NAMES: encode_json({"class_names": DIGITS})})
        (root / "metrics").mkdir()
        shutil.copy(ROOT / BASELINE, root / BASELINE)
        self.set()

    @classmethod
    def at(cls, root: Path) -> "Project":
        """Return the project that is in a folder."""
        project = cls.__new__(cls)
        project.root = root
        return project

    def finish(self) -> None:
        """Run all stages, and leave only their outputs."""
        self.run(*(f"stages.{name}" for name in STAGES))
        shutil.rmtree(self.root / ".checkpoints")

    def copy_to(self, root: Path) -> "Project":
        """Return a copy, to break."""
        return Project.at(Path(shutil.copytree(self.root, root)))

    def set(self, **changes: Any) -> None:
        """Write params.yaml, with some values changed."""
        (self.root / "params.yaml").write_text(yaml.safe_dump(merge(merge(VALUES, SMALL), changes)))

    def start(self, *arguments: str, limit: Callable[[], None] | None = None) -> "subprocess.Popen[str]":
        """Start `python ARGUMENTS`, under a limit of the system if one is given."""
        return subprocess.Popen(
            [sys.executable, "-B", *arguments],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            preexec_fn=limit,  # noqa: PLW1509 (the tests start no threads)
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *modules: str) -> str:
        """Run modules that should succeed, and return what they print."""
        printed = ""
        for module in modules:
            done = run_module(*module.split(), cwd=self.root, environment=os.environ)
            assert done.returncode == 0, done.stderr
            printed += done.stdout
        return printed

    def fail(self, stage: str, limit: Callable[[], None] | None = None) -> str:
        """Run a stage that should fail, under a limit of the system if one is given, and return its message."""
        if limit:
            process = self.start("-m", stage, limit=limit)
            out, err = process.communicate()
            done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        else:
            done = run_module(*stage.split(), cwd=self.root, environment=os.environ)
        assert done.returncode == 1, done.stdout + done.stderr
        assert done.stderr.startswith("error: ")
        assert "Traceback" not in done.stderr
        return done.stderr

    def files(self, *folders: str) -> dict[str, bytes]:
        """Return the content of all files in some folders."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for folder in folders
            for path in self.root.joinpath(folder).rglob("*")
            if path.is_file()
        }
