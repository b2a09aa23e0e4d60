"""From a dataset to the batches that a network trains on: shuffled, deformed, normalised, prepared in a thread."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from mnist.data.arrays import ByteArray, FloatArray
from mnist.data.dataset import CLASSES, Dataset
from mnist.data.deformation import Deformation, deform
from mnist.data.normalisation import Normalisation

Batch: TypeAlias = tuple[FloatArray, FloatArray]
"""Normalised images (images, 784) and their one-hot targets (images, 10)."""

Order: TypeAlias = Callable[[int, int, np.random.Generator], NDArray[np.int64]]
"""(images, batch_size, rng) -> the numbers of an epoch's images, in order."""

# Images prepared at a time: a few milliseconds of work for each of the two threads.
_CHUNK = 2000

PIECE = 1000
"""Images that are measured at a time, which bounds the memory that takes."""

# Seconds after which a thread hands Python over. With Python's own 0.005 an epoch with deformations took 3% longer.
_SWITCH_INTERVAL = 0.0005

T = TypeVar("T")


@dataclass
class Batches:
    """Training images, drawn epoch by epoch, as batches whose numbers have the type `dtype`.

    The generator "shuffling" draws the order of the images, "deformation" how they are deformed.
    """

    dataset: Dataset
    normalisation: Normalisation
    deformation: Deformation
    order: Order
    batch_size: int
    dtype: str
    generators: dict[str, np.random.Generator]

    def draw(self, progress: float) -> tuple[int, Iterator[Iterator[Batch]]]:
        """Return how many images the next epoch has, and its batches, some at a time.

        `progress` is the part of the training, 0..1, that is complete when the epoch begins. The generators are those
        of a complete epoch once the last batch has been taken.
        """
        order = self.order(len(self.dataset), self.batch_size, self.generators["shuffling"])
        return len(order), prefetch(self._chunks(order, self.deformation.faded(progress)))

    def _chunks(self, order: NDArray[np.int64], deformation: Deformation) -> Iterator[Iterator[Batch]]:
        size = self.batch_size * max(1, _CHUNK // self.batch_size)
        for start in range(0, len(order), size):
            chunk = self.dataset[order[start : start + size]]
            if not deformation.is_none:
                chunk = Dataset(deform(chunk.images, deformation, self.generators["deformation"]), chunk.labels)
            # A batch is normalised only when it is taken, so that its numbers are in the cache of the core that uses them.
            yield batches_of(chunk, self.normalisation, self.dtype, self.batch_size)


def batches_of(dataset: Dataset, normalisation: Normalisation, dtype: str, size: int = PIECE) -> Iterator[Batch]:
    """Yield a dataset in batches of `size`, as it is, in its order; the last one may be smaller."""
    targets = one_hot(dataset.labels, dtype)
    for start in range(0, len(dataset), size):
        images = dataset.images[start : start + size]
        yield normalisation(images, np.empty(images.shape, dtype)), targets[start : start + size]


def one_hot(labels: ByteArray, dtype: str) -> FloatArray:
    """Return a row for each label, 1 at its class and 0 elsewhere, shape (images, 10)."""
    return np.eye(CLASSES, dtype=dtype)[labels]


def prefetch(items: Iterator[T]) -> Iterator[T]:
    """Yield the same, each made in a thread while the one before it is used."""
    usual = sys.getswitchinterval()
    # Both threads want Python for microseconds between two calls of NumPy, and one may wait for it this long.
    sys.setswitchinterval(min(usual, _SWITCH_INTERVAL))
    try:
        with ThreadPoolExecutor(max_workers=1) as thread:
            upcoming = thread.submit(next, items, None)
            while (item := upcoming.result()) is not None:
                upcoming = thread.submit(next, items, None)
                yield item
    finally:
        sys.setswitchinterval(usual)


def shuffled(count: int, _: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """All images in an order that `rng` draws; the last batch may be smaller."""
    return rng.permutation(count)


def in_file_order(count: int, batch_size: int, _: np.random.Generator) -> NDArray[np.int64]:
    """Full batches in the order of the file; a partial last one is dropped."""
    return np.arange(count - count % batch_size)
