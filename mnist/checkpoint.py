"""Saves an unfinished training in a file, so that a killed training resumes and ends with the same bits.

The file lies outside DVC's outputs, which DVC may delete. Its name is a fingerprint of everything that decides the
result, so that no other training resumes from it.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from mnist.data.batches import Batches
from mnist.files import save
from mnist.nn.training import Epoch, Training
from mnist.sealed import ModelFileError, Tensors, decode_sealed, encode_sealed, fill

# The fewest seconds between two checkpoints, and the largest fraction of the time that writing them may take.
_PAUSE = 2.0
_SHARE = 0.01


def encode_checkpoint(training: Training, batches: Batches) -> bytes:
    """Return the checkpoint file of a training between two epochs: everything that it needs to continue."""
    description = {
        "history": training.history,
        "generators": {name: generator.bit_generator.state for name, generator in batches.generators.items()},
    }
    return encode_sealed(_arrays(training), description)


def restore_checkpoint(data: bytes, training: Training, batches: Batches) -> None:
    """Bring a training that has just begun to the state that `encode_checkpoint` saved.

    Raises ModelFileError, and changes nothing, if the file is damaged or belongs to another network or optimizer.
    """
    try:
        description, tensors = decode_sealed(data)
        history = [Epoch(*epoch) for epoch in description["history"]]
        generators = {name: _generator(description["generators"][name]) for name in batches.generators}
        fill(_arrays(training), tensors)
    except (ModelFileError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ModelFileError(f"is not a checkpoint of this training: {error}") from error
    training.history[:] = history
    batches.generators.update(generators)


def _arrays(training: Training) -> Tensors:
    state = {f"optimizer.{name}": values for name, values in training.optimizer.state.items()}
    return state | {"theta": training.network.theta}


def _generator(bit_generator_state: Any) -> np.random.Generator:
    bit_generator = np.random.PCG64()
    bit_generator.state = bit_generator_state
    return np.random.Generator(bit_generator)


class Checkpoint:
    """The file that keeps one training while it runs; use it inside `locked`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._due = time.monotonic() + _PAUSE

    def restore(self, training: Training, batches: Batches) -> None:
        """Resume the training from the checkpoint of an earlier process, if there is one."""
        if not self._path.exists():
            return
        try:
            restore_checkpoint(self._path.read_bytes(), training, batches)
            print(f"resumes after epoch {len(training.history)}, from {self._path}", flush=True)
        except ModelFileError as error:
            aside = self._path.with_suffix(".damaged")
            self._path.replace(aside)
            print(f"warning: {self._path}: {error}; set aside as {aside.name}, training starts over", file=sys.stderr)

    def save_if_due(self, training: Training, batches: Batches) -> None:
        """Save a training between two epochs, unless the last checkpoint is too recent."""
        start = time.monotonic()
        if start >= self._due:
            save({self._path: encode_checkpoint(training, batches)})
            end = time.monotonic()
            self._due = end + max(_PAUSE, (end - start) / _SHARE)

    def remove(self) -> None:
        """Delete the file: the training is complete."""
        self._path.unlink(missing_ok=True)


@contextmanager
def locked(name: str) -> Iterator[Checkpoint]:
    """Lock the checkpoint of this name for the block; first wait while another process holds the lock."""
    # DVC deletes the folder of a queued experiment that is killed; it keeps DVC_ROOT.
    folder = Path(os.environ.get("DVC_ROOT", "")) / ".checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        print("another process is training exactly this; waiting for it to end", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield Checkpoint(folder / f"{name}.safetensors")
    finally:
        lock.release()
