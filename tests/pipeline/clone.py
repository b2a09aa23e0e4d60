"""A clone of this tree, and the commands that a user would type in it."""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mnist.checked import merge
from tests.forked import run_module
from tests.helpers import ROOT, VALUES
from tests.once import make_once

# A thousand images train the network and the score of novelty in a second.
FEW_EPOCHS = {"epochs": 2, "batch_size": 50, "data": {"validation": 59_000}, "network": {"hidden": [100, 100]}}


def make_clone(factory: pytest.TempPathFactory) -> Path:
    """Return a clone, in a path with spaces, in which the pipeline has run once and the results are committed."""

    def fill(folder: Path) -> None:
        clone = Clone(folder, factory.mktemp("site"))
        clone.copy_project()
        clone.run("dvc", "repro")
        clone.commit()

    return make_once(factory, "my own digits", fill)


def finished_clone(factory: pytest.TempPathFactory) -> "Clone":
    """Return a copy of that clone, for tests to change."""
    copy = shutil.copytree(make_clone(factory), factory.mktemp("copied digits"), dirs_exist_ok=True)
    return Clone(Path(copy), factory.mktemp("site"))


class Clone:
    """The folder, a git repository."""

    def __init__(self, root: Path, scratch: Path) -> None:
        self.root = root
        # The environment's python first, as when it is activated, and free to keep what it compiles; DVC's temporary
        # folders in the test's own.
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "",
            "DVC_SITE_CACHE_DIR": str(scratch),
            "GIT_AUTHOR_NAME": "A User",
            "GIT_AUTHOR_EMAIL": "user@example.org",
            "GIT_COMMITTER_NAME": "A User",
            "GIT_COMMITTER_EMAIL": "user@example.org",
        }

    def call(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command."""
        if command[0] == "dvc":
            return run_module("dvc", *command[1:], cwd=self.root, environment=self.environment)
        return subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """Start a command in a session of its own, so that it can be killed with all that it starts."""
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str) -> str:
        """Run a command that should succeed, and return what it prints."""
        done = self.call(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def fail(self, *command: str) -> str:
        """Run a command that should fail, and return what it prints."""
        done = self.call(*command)
        assert done.returncode != 0, done.stdout
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def copy_project(self) -> None:
        """Fill the repository with this tree, with few epochs and images in params.yaml."""
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in listed.stdout.split("\0"):
            if name and (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                (self.root / name).write_bytes((ROOT / name).read_bytes())
        self.run("git", "init", "--quiet")
        (self.root / "params.yaml").write_text(yaml.safe_dump(merge(VALUES, FEW_EPOCHS), sort_keys=False))
        self.commit()

    def commit(self) -> None:
        """Commit all changes."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", "As the test needs it")

    def restore(self) -> list[str]:
        """Do what the documentation says to do after an experiment, and return the stages that ran."""
        self.run("git", "checkout", "--quiet", "HEAD", "params.yaml")
        return self.repro()

    def set(self, old: str, new: str) -> None:
        """Replace a line of params.yaml."""
        params = self.root / "params.yaml"
        assert old in params.read_text()
        params.write_text(params.read_text().replace(old, new))

    def read(self, file: str) -> bytes:
        """Return the content of a file."""
        return (self.root / file).read_bytes()

    def repro(self, *options: str) -> list[str]:
        """Run `dvc repro`, and return the stages that ran."""
        return stages_run(self.run("dvc", "repro", *options))

    def experiments(self) -> dict[str, dict[str, str]]:
        """Return the rows of `dvc exp show` by name, without the file that a column comes from."""
        table = csv.DictReader(io.StringIO(self.run("dvc", "exp", "show", "--csv")))
        rows = [{name.split(":")[-1]: value for name, value in row.items()} for row in table]
        return {row["Experiment"]: row for row in rows if row["Experiment"]}


def stages_run(output: str) -> list[str]:
    """Return the names of the stages that ran, by what DVC printed."""
    return re.findall(r"Running stage '([\w:@./]+)'", output)
