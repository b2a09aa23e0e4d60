"""`make setup` and the interpreter that a user names."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with an environment of Python 3.13.1 that looks complete to make."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist/recipe.py").touch()
    interpreter(tmp_path / ".venv/bin/python", "3.13.1")
    for name in (".venv/installed", "params.schema.json"):
        (tmp_path / name).touch()
    return tmp_path


def interpreter(path: Path, version: str) -> Path:
    """Make a program that prints the version of a Python; below 3.11, it fails at everything else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\n[ "$1" = -V ] && echo Python {version}\n')
    path.chmod(0o755)
    return path


def make(project: Path, *words: str) -> str:
    """Run `make setup`, and return what it prints."""
    # Run make as from a shell: without the options that `make test` passes on, and without uv.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    places = os.environ["PATH"].split(os.pathsep)
    environment["PATH"] = os.pathsep.join(place for place in places if not Path(place, "uv").exists())
    command = ["make", *words, "setup"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_another_python_that_the_user_names_replaces_the_one_of_the_environment(project: Path) -> None:
    assert "Nothing to be done" in make(project, "--dry-run")
    same = interpreter(project / "same", "3.13.1")
    assert "Nothing to be done" in make(project, "--dry-run", f"PYTHON={same}")
    other = interpreter(project / "other", "3.14.0")
    assert f'"{other}" -m venv --clear .venv' in make(project, "--dry-run", f"PYTHON={other}")


def test_a_python_that_is_missing_or_too_old_is_named_and_the_environment_stays(project: Path) -> None:
    assert make(project, "PYTHON=python9").startswith("There is no python9 on this machine. Try: make PYTHON=")
    old = interpreter(project / "old", "3.10.2")
    assert f"Python 3.11 or newer is needed; {old} is Python 3.10.2." in make(project, f"PYTHON={old}")
    assert (project / ".venv/installed").exists()
