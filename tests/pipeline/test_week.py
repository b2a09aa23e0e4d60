"""The DVC commands of a normal week, in a fresh clone and after `make`: exit codes, lines, and the state of git."""

import re
import shutil
import time
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.pipeline.clone import Clone, make_clone

# Command -> the most lines that it should print. All of them only look.
LOOKING = {
    "status": 1,
    "data status": 1,
    "diff": 0,
    "dag": 30,
    "metrics show": 2,
    "metrics diff": 0,
    "params diff": 0,
    "plots show": 1,
    "plots diff": 1,
    "exp show --no-pager": 7,
    "exp list": 0,
}
# Where nothing was run yet, each file that is missing or changed takes a line.
FILES = 90
# In a fresh clone these have nothing to work with, and say so.
WITHOUT_OUTPUTS = ("checkout", "pull", "commit", "exp save --name saved")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Return a fresh clone in a path with spaces, with a remote; nothing was run in it."""
    clone = Clone(tmp_path_factory.mktemp("more of my digits"), tmp_path_factory.mktemp("site"))
    clone.copy_project()
    clone.run("dvc", "remote", "add", "--quiet", "--default", "storage", str(tmp_path_factory.mktemp("storage")))
    clone.commit()
    return clone


def walk(clone: Clone, *commands: str, most: int = 8, adds: int = 0) -> None:
    """Run commands that should succeed, in a few lines, and leave what git keeps as it is."""
    for command in commands:
        printed = clone.run("dvc", *command.split())
        assert printed.count("\n") <= LOOKING.get(command, most) + adds, f"{command}: {printed}"
        assert "unexpected" not in printed
        assert clone.run("git", "status", "--porcelain") == "", command


def test_before_make_every_command_answers_in_words(clone: Clone) -> None:
    walk(clone, *LOOKING, adds=FILES)
    for command in WITHOUT_OUTPUTS:
        printed = clone.fail("dvc", *command.split())
        assert re.search("Checkout failed|failed to commit|does not exist", printed), command
        assert "unexpected" not in printed
        assert clone.run("git", "status", "--porcelain") == "", command


def test_after_make_every_command_is_quiet(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> None:
    # The cache of a clone of the same tree has all that the stages would write.
    shutil.copytree(make_clone(tmp_path_factory) / ".dvc/cache", clone.root / ".dvc/cache", dirs_exist_ok=True)
    assert clone.repro() == ["download"]
    clone.commit()
    walk(clone, *LOOKING, "checkout", "commit", "push", "pull", "exp save --name saved", "exp remove saved")
    assert max(map(len, clone.run("dvc", "dag").splitlines())) <= 100


def test_experiments_are_run_compared_applied_branched_and_removed(clone: Clone) -> None:
    show = re.search(r"dvc exp show (--only-changed .*?) +#", (ROOT / "README.md").read_text())
    assert show
    clone.run("dvc", "exp", "run", "--name", "later", "--queue", "-S", "eta=0.03")
    clone.run("dvc", "queue", "start")
    clone.run("dvc", "exp", "run", "--name", "aside", "--temp", "-S", "eta=0.02", "-S", "deformation.elastic=0")
    clone.run("dvc", "exp", "run", "--name", "here", "-S", "eta=0.05", "-S", "network.hidden=[30,20]")
    clone.restore()
    deadline = time.monotonic() + 300
    while re.search(r"Queued|Running", status := clone.run("dvc", "queue", "status")):
        assert time.monotonic() < deadline, status
        time.sleep(1)
    assert clone.run("git", "status", "--porcelain") == ""

    clone.environment["COLUMNS"] = "1000"
    table = clone.run("dvc", "exp", "show", "--no-pager", *show[1].replace("'", "").split())
    assert max(map(len, table.splitlines())) <= 120
    assert all(name in table for name in ("[here]", "[aside]", "[later]"))
    walk(clone, "exp diff here aside", "plots diff here", "metrics diff here", "params diff here", most=30)

    for name, eta in (("aside", "0.02"), ("later", "0.03")):
        clone.run("dvc", "exp", "apply", name)
        assert f"eta: {eta}" in clone.read("params.yaml").decode()
        assert clone.run("dvc", "status").strip() == "Data and pipelines are up to date."
        assert clone.run("dvc", "commit") == ""
    clone.run("git", "checkout", "--quiet", "HEAD", ".")
    assert clone.restore() == []
    walk(clone, "exp branch here tried", "exp remove here aside later", "exp list")
    assert "tried" in clone.run("git", "branch")


def test_letters_of_other_alphabets_in_the_path_make_no_difference(clone: Clone, tmp_path: Path) -> None:
    clone.run("git", "clone", "--quiet", str(clone.root), str(tmp_path / "Ziffern für 数字"))
    other = Clone(tmp_path / "Ziffern für 数字", tmp_path / "site")
    other.run("dvc", "pull")
    assert other.repro() == []
    other.run("dvc", "exp", "run", "-S", "network.hidden=[]")
    other.run("dvc", "plots", "show")
