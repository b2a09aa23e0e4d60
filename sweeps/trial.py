"""A trial: a pure function (recipes, states, epochs) -> the states so many epochs later, and how good they are."""

import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from mnist.checkpoints import restore_checkpoint, save_checkpoint
from mnist.dataset import Dataset, stratified_split
from mnist.environment import blas_threads
from mnist.hyperparameters import Hyperparameters
from mnist.normalisation import NORMALIZERS, Normalisation
from mnist.randomness import generator
from mnist.training import TrainingState, train


@dataclass(frozen=True, eq=False)
class Digits:
    """All training images, told apart by identity and not by content, so that what is made of them can be cached."""

    all: Dataset


class Leg(NamedTuple):
    """The way from one rung to the next, a figure or state for each seed.

    Attributes
    ----------
    epochs : int
        That training has now seen.
    states : list of bytes
        Unfinished trainings, as checkpoints.
    losses, accuracies : list of float
        Of the validation images.
    seconds : float
        That this leg took.
    """

    epochs: int
    states: list[bytes]
    losses: list[float]
    accuracies: list[float]
    seconds: float


class Prepared(NamedTuple):
    """What the stage `prepare` writes, in memory."""

    training: Dataset
    validation: Dataset
    normalisation: Normalisation


def advance(digits: Digits, recipes: list[Hyperparameters], states: list[bytes] | None, epochs: int) -> Leg:
    """Train until `epochs` epochs are seen, on one core.

    The schedule is that of the whole training, `recipe.epochs`: a trial that goes on from here is bit for bit one that
    was never stopped.

    Parameters
    ----------
    digits : Digits
        All training images, those that each recipe holds back among them; the test images have no place here.
    recipes : list of Hyperparameters
        One a seed.
    states : list of bytes, or None
        Where an earlier leg ended; None: at the start.
    epochs : int
        Up to `recipe.epochs`.

    Raises
    ------
    DivergedError
        A training left the range of finite numbers.
    ModelFileError
        A state is damaged.
    """
    start = time.perf_counter()
    ends, losses, accuracies = [], [], []
    for number, recipe in enumerate(recipes):
        prepared = prepare(digits, recipe.seed, recipe.validation, recipe.normalize)
        state = TrainingState.initial(recipe, prepared.normalisation)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "state"
            if states is not None:
                file.write_bytes(states[number])
                restore_checkpoint(file, state)
            _train_until(epochs, state, prepared, recipe)
            save_checkpoint(file, state)
            ends.append(file.read_bytes())
        losses.append(state.history[-1].validation_loss)
        accuracies.append(state.history[-1].validation_accuracy)
    return Leg(epochs, ends, losses, accuracies, time.perf_counter() - start)


def _train_until(epochs: int, state: TrainingState, prepared: Prepared, recipe: Hyperparameters) -> None:
    if len(state.history) >= epochs:
        return
    # One thread: the other cores have trials of their own.
    with blas_threads(largest_product=0):
        for _ in train(state, prepared.training, prepared.validation, recipe):
            if len(state.history) == epochs:
                return


# A few seeds at a time, 45 MB each.
@lru_cache(maxsize=3)
def prepare(digits: Digits, seed: int, validation: int, normalize: str) -> Prepared:
    """Do what the stage `prepare` does, so that a trial gives what the pipeline gives of its recipe."""
    images, labels = digits.all.images, digits.all.labels
    held_back = stratified_split(labels, validation, generator(seed, "split"))
    training = Dataset(images[~held_back], labels[~held_back])
    return Prepared(training, Dataset(images[held_back], labels[held_back]), NORMALIZERS[normalize]([training.images]))
