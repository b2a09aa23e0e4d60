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


class Leg(NamedTuple):
    """The way from one rung to the next.

    Attributes
    ----------
    epochs : int
        That the training has now seen.
    state : bytes
        The unfinished training, as a checkpoint.
    loss, accuracy : float
        Of the validation images.
    seconds : float
        That this leg took.
    """

    epochs: int
    state: bytes
    loss: float
    accuracy: float
    seconds: float


class Digits:
    """All training images, and how the last recipe prepared them: 45 MB that the next trial does not copy again."""

    def __init__(self, images: Dataset) -> None:
        self._images = images
        self._prepared: tuple[object, Prepared] | None = None

    def prepare(self, recipe: Recipe) -> Prepared:
        """Return what the stage `prepare` writes for a recipe."""
        key = recipe.seed, recipe.data
        if self._prepared is None or self._prepared[0] != key:
            self._prepared = key, recipe.prepare(self._images)
        return self._prepared[1]


def advance(digits: Digits, recipe: Recipe, state: bytes | None, epochs: int) -> Leg:
    """Train until `epochs` epochs are seen, on one core; the schedule is that of the whole training.

    A trial that continues from its state is bit for bit one that was never stopped.

    Parameters
    ----------
    digits : Digits
        The training images; the test images have no place here.
    recipe : Recipe
    state : bytes, or None
        Where an earlier leg ended; None: at the start. A damaged one costs time only: training starts over.
    epochs : int
        Up to `recipe.epochs`.

    Raises
    ------
    DivergedError
        Training left the range of finite numbers.
    """
    start = time.perf_counter()
    prepared = digits.prepare(recipe)
    training, batches = recipe.start(prepared)
    if state is not None:
        with tempfile.NamedTemporaryFile() as file, suppress(ModelFileError):
            file.write(state)
            file.flush()
            restore_checkpoint(Path(file.name), training, batches)
    validation = list(batches_of(prepared.validation, batches.normalisation, batches.dtype))
    # One thread: the other cores have trials of their own.
    with blas_threads(largest_product=0):
        progress = training.run(batches, validation)
        while len(training.history) < epochs:
            next(progress)
    last = training.history[-1]
    end = encode_checkpoint(training, batches)
    return Leg(epochs, end, last.validation_loss, last.validation_accuracy, time.perf_counter() - start)


def digest_code() -> str:
    """Return a digest of the code that a trial runs, by which driver and workers recognise each other."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(Path(mnist.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
