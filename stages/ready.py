"""Make the project ready for `dvc repro`: check params.yaml, and restore a dvc.lock that a kill left half-written.

DVC truncates dvc.lock and then writes it; every command of DVC fails on half of one.
"""

import subprocess
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils import strictyaml

from mnist.errors import MnistError
from mnist.recipe import Recipe
from stages.pipeline import Workspace, run

LOCK = Path("dvc.lock")


def ready(_: Recipe, __: Workspace) -> None:
    """Restore dvc.lock from git where it is not what DVC writes; `run` checks params.yaml."""
    if not LOCK.exists() or _is_whole():
        return
    restored = subprocess.run(["git", "checkout", "--", LOCK], check=False, capture_output=True)  # noqa: S603, S607
    if restored.returncode or not _is_whole():
        raise MnistError(f"{LOCK}: is damaged, and `git checkout {LOCK}` does not restore it; delete it")
    print(f"{LOCK} was damaged, as after a kill; `git checkout {LOCK}` has restored it")


def _is_whole() -> bool:
    try:
        strictyaml.load(str(LOCK), COMPILED_LOCKFILE_SCHEMA)
    except DvcException:
        return False
    return True


if __name__ == "__main__":
    run(ready, __doc__)
