"""A trial as a pure function: (recipe, state, epochs) -> the state after that many epochs, and its figures."""

import time
from pathlib import Path
from typing import NamedTuple

from mnist.checkpoint import encode_checkpoint, restore_checkpoint
from mnist.data.batches import batches_of
from mnist.data.dataset import Prepared
from mnist.fingerprint import blas_threads, digest_code
from mnist.nn.training import Epoch
from mnist.recipe import Recipe

CODE = digest_code([Path(__file__)])  # the driver and the workers should have the same


class Leg(NamedTuple):
    """A trial at a rung: its checkpoint, the figures of its last epoch, and the seconds since the last rung."""

    state: bytes
    last: Epoch
    seconds: float


def advance(prepared: Prepared, recipe: Recipe, state: bytes | None, epochs: int) -> Leg:
    """Train on one core until `epochs` epochs are complete, and return the new state; raises DivergedError.

    `state` comes from an earlier leg, or is None at the beginning. The schedule spans the whole training, so that a
    resumed trial gives the same bits as one that was never stopped.
    """
    start = time.perf_counter()
    training, batches = recipe.start(prepared)
    if state:
        restore_checkpoint(state, training, batches)
    validation = list(batches_of(prepared.validation, batches.normalisation, batches.dtype))
    with blas_threads(largest_product=0):  # One thread: the other cores run other trials.
        progress = training.run(batches, validation)
        while len(training.history) < epochs:
            next(progress)
    return Leg(encode_checkpoint(training, batches), training.history[-1], time.perf_counter() - start)
