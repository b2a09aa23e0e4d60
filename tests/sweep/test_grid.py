"""`python -m studies.grid`, with DVC itself, in a small project whose stage fails for one learning rate."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mnist.checked import RecipeError
from studies.grid import parse_combinations
from tests.forked import run_module
from tests.helpers import ROOT, VALUES

STAGE = """
import json, yaml
eta = yaml.safe_load(open("params.yaml"))["eta"]
if eta == 0.3: raise SystemExit("too large")
json.dump({"validation": {"accuracy": 1 - eta}}, open("scores.json", "w"))
"""
PIPELINE = {
    "stages": {
        "train": {
            "cmd": f"{sys.executable} stage.py",
            "params": ["eta"],
            "deps": ["stage.py"],
            "metrics": ["scores.json"],
        }
    }
}


class Project:
    """A git repository with a DVC pipeline of one stage, which has run."""

    def __init__(self, root: Path, scratch: Path) -> None:
        author = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        self._environment = os.environ | author | {"PYTHONPATH": str(ROOT), "DVC_SITE_CACHE_DIR": str(scratch)}
        self._root = root
        files = {"params.yaml": yaml.safe_dump(VALUES), "dvc.yaml": yaml.safe_dump(PIPELINE), "stage.py": STAGE}
        for name, text in files.items():
            (root / name).write_text(text)
        self.git("init", "-q")
        for command in ("init", "repro"):
            assert run_module("dvc", command, "-q", cwd=root, environment=self._environment).returncode == 0
        self.git("add", ".")
        self.git("commit", "-qm", "A pipeline")

    def git(self, *words: str) -> str:
        return subprocess.check_output(["git", *words], cwd=self._root, env=self._environment, text=True)

    def run(self, *lists: str, code: int = 0) -> str:
        done = run_module("studies.grid", *lists, cwd=self._root, environment=self._environment)
        printed = done.stdout + done.stderr
        assert done.returncode == code, printed
        assert "Traceback" not in printed
        return printed


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("scratch"))


def test_a_grid_runs_every_combination_continues_after_a_failure_and_skips_existing_ones(project: Project) -> None:
    printed = project.run("eta=0.3,0.2", code=1)
    assert "error: 1 of 2 experiments failed: grid-" in printed
    assert "too large" in printed
    printed = project.run("eta=0.2,0.4")
    assert printed.count("Ran experiment(s): grid-") == 1
    lines = [line for line in printed.splitlines() if "[grid-" in line]
    assert ["0.8" in line for line in lines] == [True, False]
    assert project.git("status", "--porcelain") == ""


def test_bad_lists_are_rejected_before_the_first_experiment(project: Project) -> None:
    assert "network.hiden: there is no such key; did you mean network.hidden?" in project.run(
        "network.hiden=[3]", code=1
    )
    for text in ("eta=", "eta", "eta=]", "eta=2020-99-99"):
        with pytest.raises(RecipeError, match="should be key=value,value"):
            parse_combinations([text])
