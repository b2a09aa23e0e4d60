"""Make the project ready for `dvc repro`: check params.yaml, and restore dvc.lock if a killed DVC left it incomplete.

DVC truncates dvc.lock before it writes the file, and every DVC command fails on an incomplete dvc.lock.
"""

import subprocess
from pathlib import Path

import mnist.progress  # noqa: F401 (reports a bad setting; DVC would end with a traceback of tqdm)
from mnist.errors import MnistError
from mnist.recipe import Recipe
from stages.pipeline import Workspace, run

LOCK = Path("dvc.lock")


def ready(_: Recipe, __: Workspace) -> None:
    """Restore dvc.lock from git if it is damaged; `run` checks params.yaml."""
    if not LOCK.exists() or _is_whole():
        return
    restored = subprocess.run(["git", "checkout", "--", LOCK], check=False, capture_output=True)  # noqa: S603, S607
    if restored.returncode or not _is_whole():
        raise MnistError(f"{LOCK}: is damaged, and `git checkout {LOCK}` does not restore it; delete it")
    print(f"{LOCK} was damaged, as after a kill; `git checkout {LOCK}` has restored it")


def _is_whole() -> bool:
    from dvc.exceptions import DvcException  # noqa: PLC0415 (after mnist.progress)
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA  # noqa: PLC0415
    from dvc.utils import strictyaml  # noqa: PLC0415

    try:
        strictyaml.load(str(LOCK), COMPILED_LOCKFILE_SCHEMA)
    except DvcException:
        return False
    return True


if __name__ == "__main__":
    run(ready, __doc__)
