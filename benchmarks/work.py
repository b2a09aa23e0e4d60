"""The same work for every contestant: recipe, images, initial weights, order of the images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mnist.cores import choose_processes
from mnist.data.batches import Batches
from mnist.data.dataset import Prepared, read_raw
from mnist.data.published import TRAIN_IMAGES, TRAIN_LABELS
from mnist.fingerprint import blas_threads
from mnist.nn.arrays import FloatArray
from mnist.nn.training import Progress, Training
from mnist.recipe import Recipe
from stages.pipeline import RAW


@dataclass(frozen=True)
class Work:
    """A training that several libraries run; the recipe's batch_size should divide the number of images."""

    recipe: Recipe
    prepared: Prepared

    @classmethod
    def load(cls, recipe: Recipe) -> Self:
        """Return the work of a recipe on the training images, which `make` downloads."""
        return cls(recipe, recipe.prepare(read_raw(RAW / TRAIN_IMAGES, RAW / TRAIN_LABELS)))

    def train(self, training: Training, batches: Batches) -> Iterator[Progress]:
        """Train as the stage `train` does, without validation images."""
        with blas_threads(training.network.largest_product(self.recipe.batch_size), self.recipe.shards):
            yield from training.run(batches, (), choose_processes(training.shards))

    def first_weights(self) -> list[FloatArray]:
        """Return the initial weights (fan-in, fan-out) of each layer."""
        return self.recipe.start(self.prepared)[0].network.weights

    def inputs(self) -> FloatArray:
        """Return all normalised images (images, 784); other libraries get them before the clock starts."""
        images = self.prepared.training.images
        return self.recipe.normalisation(self.prepared)(images, np.empty(images.shape, np.float32))

    def orders(self) -> Iterator[NDArray[np.int64]]:
        """Yield the order of the images in each epoch."""
        _, batches = self.recipe.start(self.prepared)
        while True:
            yield batches.order(len(batches.dataset), batches.batch_size, batches.generators["shuffling"])

    def chunks(self) -> Iterator[tuple[FloatArray, NDArray[np.int64], list[float]]]:
        """Yield this project's batches for another library, in chunks.

        A chunk: normalised images (batches, batch_size, 784), labels (batches, batch_size), and the eta of each batch.
        """
        training, batches = self.recipe.start(self.prepared)
        size, epochs = self.recipe.batch_size, self.recipe.epochs
        for epoch in range(epochs):
            images, chunks = batches.draw(epoch / epochs)
            done = 0
            for chunk in chunks:
                whole = [[np.concatenate(parts) for parts in zip(*shards, strict=True)] for _, shards in chunk]
                inputs, targets = (np.stack(parts) for parts in zip(*whole, strict=True))
                starts = range(done, done + size * len(inputs), size)
                etas = [training.eta((epoch + start / images) / epochs) for start in starts]
                yield inputs, targets.argmax(axis=-1), etas
                done = starts.stop
