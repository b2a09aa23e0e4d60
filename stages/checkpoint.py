"""An unfinished training on disk, so that one that is killed goes on where it was and ends with the same bits.

Outside DVC's outputs, which DVC may delete, and named by all that the training follows from: no other one picks it up.
"""

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from mnist.checkpoints import restore_checkpoint, save_checkpoint
from mnist.environment import describe_environment
from mnist.hyperparameters import Hyperparameters
from mnist.storage import ModelFileError
from mnist.training import TrainingState

_CODE = [Path(__file__).parents[1] / package for package in ("mnist", "stages")]

# Seconds between two checkpoints, and the part of the time that writing them may take.
_PAUSE = 2.0
_SHARE = 0.01

# Seconds after which what a training has left is that of one that was given up.
_KEPT = 30 * 24 * 60 * 60.0


class Checkpoint:
    """Where one training is kept while it runs; use it inside `locked`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._due = time.monotonic() + _PAUSE

    def restore(self, state: TrainingState) -> None:
        """Bring `state` to where an earlier process left this training, if one did."""
        if not self._path.exists():
            return
        try:
            restore_checkpoint(self._path, state)
            print(f"goes on after epoch {len(state.history)}, from {self._path}", flush=True)
        except ModelFileError as error:
            aside = self._path.with_suffix(".damaged")
            self._path.replace(aside)
            print(f"warning: {error}; set aside as {aside.name}, training starts over", file=sys.stderr)

    def save_if_due(self, state: TrainingState) -> None:
        """Write `state`, one between two epochs, unless that was done just now."""
        start = time.monotonic()
        if start >= self._due:
            save_checkpoint(self._path, state)
            end = time.monotonic()
            self._due = end + max(_PAUSE, (end - start) / _SHARE)

    def remove(self) -> None:
        """Forget this training: it has come to its end."""
        self._path.unlink(missing_ok=True)


@contextmanager
def locked(name: str) -> Iterator[Checkpoint]:
    """Hold the checkpoint of this name; whoever else wants it waits until it is free."""
    # DVC runs queued experiments in folders that it deletes when they are killed; DVC_ROOT stays.
    folder = Path(os.environ.get("DVC_ROOT", "")) / ".checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        print("another process is training exactly this; waiting for it to end", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        _delete_old(folder)
        yield Checkpoint(folder / f"{name}.safetensors")
    finally:
        lock.release()


def name_of(parameters: Hyperparameters, inputs: str) -> str:
    """Return a digest of all that a training follows from: recipe, inputs, code, and what the arithmetic runs on."""
    digest = hashlib.sha256()
    for text in (parameters.model_dump_json(exclude={"evaluation_images"}), inputs, str(describe_environment())):
        digest.update(text.encode())
    for path in sorted(path for folder in _CODE for path in folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _delete_old(folder: Path) -> None:
    """Delete the files of trainings that were given up, but none of one that is running: its lock is held."""
    given_up = time.time() - _KEPT
    for path in folder.iterdir():
        if _modified(path) < given_up:
            lock = folder / f"{path.name.strip('.').partition('.')[0]}.lock"
            with suppress(filelock.Timeout), filelock.FileLock(lock, timeout=0):
                path.unlink(missing_ok=True)
                lock.unlink(missing_ok=True)


def _modified(path: Path) -> float:
    """Return when a file was written; one that another process has just deleted counts as new."""
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return float("inf")
