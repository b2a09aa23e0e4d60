"""A trial: a pure function (recipe, state, epochs) -> the state so many epochs later, and how good it is."""

import hashlib
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import mnist
from mnist.checkpoint import encode_checkpoint, restore_checkpoint
from mnist.data.batches import batches_of
from mnist.data.dataset import Dataset, Prepared
from mnist.fingerprint import blas_threads
from mnist.model import ModelFileError
from mnist.recipe import Recipe

_FILES = [Path(__file__), *sorted(Path(mnist.__file__).parent.rglob("*.py"))]
CODE = hashlib.sha256(b"".join(path.read_bytes() for path in _FILES)).hexdigest()[:12]
"""A digest of the code that a trial runs, by which driver and workers recognise each other."""

# The images as the last recipe prepared them: the next one seldom does it in another way.
_prepared: dict[object, tuple[Dataset, Prepared]] = {}


class Leg(NamedTuple):
    """Where a trial is at a rung: epochs seen, checkpoint, figures of the validation images; and how long it took."""

    epochs: int
    state: bytes
    loss: float
    accuracy: float
    seconds: float


def advance(digits: Dataset, recipe: Recipe, state: bytes | None, epochs: int) -> Leg:
    """Train on one core until `epochs` epochs are seen, and return where that leads; raises DivergedError.

    `digits` are all training images, `state` is that of an earlier leg; None, or a damaged one: training starts over.
    The schedule is that of the whole training: a trial that resumes is bit for bit one that was never stopped.
    """
    start = time.perf_counter()
    key = id(digits), recipe.seed, recipe.data
    if key not in _prepared:
        _prepared.clear()
        _prepared[key] = digits, recipe.prepare(digits)
    _, prepared = _prepared[key]
    training, batches = recipe.start(prepared)
    with tempfile.TemporaryDirectory() as folder, suppress(ModelFileError):
        (path := Path(folder) / "state").write_bytes(state or b"")
        restore_checkpoint(path, training, batches)
    validation = list(batches_of(prepared.validation, batches.normalisation, batches.dtype))
    # One thread: the other cores have trials of their own.
    with blas_threads(largest_product=0):
        progress = training.run(batches, validation)
        while len(training.history) < epochs:
            next(progress)
    last, end = training.history[-1], encode_checkpoint(training, batches)
    return Leg(epochs, end, last.validation_loss, last.validation_accuracy, time.perf_counter() - start)
