"""The same work for everybody: data, first weights, order of the images, update rule."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mnist.arrays import FloatArray
from mnist.dataset import ORDERS, Dataset, one_hot, read_raw
from mnist.environment import blas_threads
from mnist.hyperparameters import Hyperparameters
from mnist.normalisation import NORMALIZERS, Normalisation
from mnist.randomness import generator
from mnist.sources import TRAIN_IMAGES, TRAIN_LABELS
from mnist.training import TrainingState, train
from stages.command import RAW

RECIPE = Path("params.yaml")


@dataclass(frozen=True)
class Work:
    """What is to be trained, and on what.

    Attributes
    ----------
    parameters : Hyperparameters
        The recipe: the network of params.yaml, on the images as they are, with a constant eta and no weight decay,
        which every library means differently.
    training : Dataset
        Training images, uint8.
    """

    parameters: Hyperparameters
    training: Dataset

    @classmethod
    def load(cls, batch_size: int = 100, hidden: tuple[int, ...] = (100, 100), images: int = 60_000) -> Self:
        """Return the work on the first `images` of MNIST, which `make` has downloaded."""
        plain = dict.fromkeys(("rotation", "scaling", "shear", "shift", "elastic", "weight_decay", "validation"), 0)
        parameters = Hyperparameters.load(
            RECIPE, **plain, schedule="constant", batch_size=batch_size, hidden=list(hidden), epochs=10**6
        )
        raw = read_raw(RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS)
        return cls(parameters, Dataset(raw.images[:images], raw.labels[:images]))

    @property
    def normalisation(self) -> Normalisation:
        """How pixels become numbers."""
        return NORMALIZERS[self.parameters.normalize]([self.training.images])

    def state(self) -> TrainingState:
        """Return the network and all that belongs to it before the first epoch."""
        return TrainingState.initial(self.parameters, self.normalisation)

    def first_weights(self) -> list[FloatArray]:
        """Return the first weights (fan-in, fan-out), a layer each."""
        return self.state().network.weights

    def orders(self) -> Iterator[NDArray[np.int64]]:
        """Yield the order of the images for each epoch."""
        rng = generator(self.parameters.seed, "shuffling")
        while True:
            yield ORDERS[self.parameters.order](len(self.training), self.parameters.batch_size, rng)

    def epochs(self) -> Iterator[float]:
        """Train with `mnist`, an epoch for each `next`, and yield its mean loss."""
        state, nothing = self.state(), Dataset(self.training.images[:0], self.training.labels[:0])
        with blas_threads(state.network.architecture.largest_product(self.parameters.batch_size)):
            for progress in train(state, self.training, nothing, self.parameters):
                if progress.epoch == len(state.history):
                    yield progress.loss

    def inputs(self) -> FloatArray:
        """Return all images normalised: what other libraries take, made for them before the clock starts."""
        images = self.training.images.astype(np.float32)
        return self.normalisation.astype("float32")(images, out=images)

    def targets(self) -> FloatArray:
        """Return all labels, one-hot."""
        return one_hot(self.training.labels, "float32")
