"""The same work for everybody: data, first weights, order of the images, update rule."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from mnist.arrays import ByteArray, FloatArray
from mnist.dataset import ORDERS, Dataset, read_raw
from mnist.environment import blas_threads
from mnist.hyperparameters import DEFORMATIONS, Hyperparameters
from mnist.normalisation import NORMALIZERS, Normalisation
from mnist.randomness import generator
from mnist.sources import TRAIN_IMAGES, TRAIN_LABELS
from mnist.training import Progress, TrainingState, eta_after, one_ahead, prepared, train
from stages.command import RAW

RECIPE = Path("params.yaml")


class Chunk(NamedTuple):
    """Some batches, ready for a library that takes float32: images (n, 784), labels (n,), and eta for each batch."""

    images: FloatArray
    labels: ByteArray
    etas: list[float]


@dataclass(frozen=True)
class Work:
    """What is to be trained, and on what.

    Attributes
    ----------
    parameters : Hyperparameters
        The recipe. Its weight decay should be 0, because every library means that differently.
    training : Dataset
        Training images, uint8.
    """

    parameters: Hyperparameters
    training: Dataset

    @classmethod
    def load(cls, batch_size: int = 100, hidden: tuple[int, ...] = (100, 100), images: int = 60_000) -> Self:
        """Return the work of the race, on the first `images` of MNIST, which `make` has downloaded.

        It is the network of params.yaml on images as they are, with a constant eta.
        """
        plain = dict.fromkeys((*DEFORMATIONS, "weight_decay", "negligible", "validation"), 0)
        parameters = Hyperparameters.load(
            RECIPE, **plain, schedule="constant", batch_size=batch_size, hidden=list(hidden), epochs=10**6
        )
        raw = read_raw(RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS)
        return cls(parameters, Dataset(raw.images[:images], raw.labels[:images]))

    @cached_property
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

    def train(self, state: TrainingState) -> Iterator[Progress]:
        """Train with `mnist`, without validation images."""
        nothing = Dataset(self.training.images[:0], self.training.labels[:0])
        with blas_threads(state.network.architecture.largest_product(self.parameters.batch_size)):
            yield from train(state, self.training, nothing, self.parameters)

    def epochs(self) -> Iterator[float]:
        """Train with `mnist`, an epoch for each `next`, and yield its mean loss."""
        state = self.state()
        for progress in self.train(state):
            if progress.epoch == len(state.history):
                yield progress.loss

    def chunks(self) -> Iterator[Chunk]:
        """Yield the images of all epochs in their order, deformed as the recipe says and normalised.

        Each chunk is made in a thread while the one before it is used, by the same code that makes this project's.
        """
        return one_ahead(self._chunks())

    def _chunks(self) -> Iterator[Chunk]:
        parameters, state = self.parameters, self.state()
        for epoch in range(parameters.epochs):
            order = ORDERS[parameters.order](len(self.training), parameters.batch_size, state.shuffling)
            done = 0
            for some in prepared(self.training, order, epoch, parameters, state.deformation):
                starts = range(done, done + len(some), parameters.batch_size)
                etas = [eta_after(epoch + start / len(order), parameters) for start in starts]
                yield Chunk(self._normalised(some.images), some.labels, etas)
                done += len(some)

    def inputs(self) -> FloatArray:
        """Return all images normalised: what other libraries take, made for them before the clock starts."""
        return self._normalised(self.training.images)

    def _normalised(self, images: ByteArray) -> FloatArray:
        return self.normalisation.astype("float32")(images, out=np.empty(images.shape, np.float32))
