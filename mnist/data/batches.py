"""From a dataset to the batches that a network trains on: shuffled, deformed, normalised, prepared in a thread."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from mnist.data.arrays import ByteArray
from mnist.data.dataset import DIGITS, PIXELS, Dataset
from mnist.data.deformation import Deformation, deform
from mnist.data.normalisation import Normalisation
from mnist.nn.arrays import Batch, Examples, FloatArray

Order: TypeAlias = Callable[[int, int, np.random.Generator], NDArray[np.int64]]
"""(images, batch_size, rng) -> the numbers of an epoch's images, in order."""

# Images prepared at a time: a few milliseconds of work for each of the two threads.
_CHUNK = 4000

PIECE = 1000
"""Images that are measured at a time, which bounds the memory that takes."""

# Seconds after which a thread hands Python over. With Python's own 0.005 an epoch with deformations took 3% longer.
_SWITCH_INTERVAL = 0.0005

T = TypeVar("T")


@dataclass
class Batches:
    """Training images, drawn epoch by epoch, as batches whose numbers have the type `dtype`.

    Each batch is cut into `shards`. The generator "shuffling" draws the order of the images, "deformation" the seeds by
    which the images of each shard are deformed.
    """

    dataset: Dataset
    normalisation: Normalisation
    deformation: Deformation
    order: Order
    batch_size: int
    dtype: str
    generators: dict[str, np.random.Generator]
    shards: int = 1

    def draw(self, progress: float, part: slice = slice(None)) -> tuple[int, Iterator[Iterator[Batch]]]:
        """Return how many images the next epoch has, and its batches, some at a time.

        `progress` is the part of the training, 0..1, that is complete when the epoch begins; `part` says which shards
        of each batch are wanted, and changes nothing in them. Only one batch can be used at a time: the next one
        overwrites it. The generators are those of a complete epoch afterwards.
        """
        order = self.order(len(self.dataset), self.batch_size, self.generators["shuffling"])
        seeds = self.generators["deformation"].integers(2**63, size=self.shards)
        wanted = {shard: np.random.default_rng(seeds[shard]) for shard in range(self.shards)[part]}
        chunks = self._chunks(order, self.deformation.faded(progress), wanted)
        # A process that has all shards to itself can leave their preparation to another core.
        return len(order), prefetch(chunks) if len(wanted) == self.shards else chunks

    def _chunks(
        self, order: NDArray[np.int64], deformation: Deformation, wanted: dict[int, np.random.Generator]
    ) -> Iterator[Iterator[Batch]]:
        size = self.batch_size * max(1, _CHUNK // self.batch_size)
        for start in range(0, len(order), size):
            chunk = order[start : start + size]
            batches = [chunk[first : first + self.batch_size] for first in range(0, len(chunk), self.batch_size)]
            # Rounded up, so that the first shard has images in every batch.
            cuts = [[-(-len(batch) * cut // self.shards) for cut in range(self.shards + 1)] for batch in batches]
            shards = []
            for shard, rng in wanted.items():
                pieces = [batch[cut[shard] : cut[shard + 1]] for batch, cut in zip(batches, cuts, strict=True)]
                digits = self.dataset[np.concatenate(pieces)]
                if not deformation.is_none:
                    digits = replace(digits, images=deform(digits.images, deformation, rng))
                shards.append(self._normalise(digits, [len(piece) for piece in pieces]))
            yield ((len(batch), list(parts)) for batch, *parts in zip(batches, *shards, strict=True))

    def _normalise(self, digits: Dataset, sizes: list[int]) -> Iterator[Examples]:
        """Yield so many of the images at a time, in an array that the next ones overwrite.

        They are normalised only when they are taken, and so are in the cache of the core that uses them.
        """
        targets, start = one_hot(digits.labels, self.dtype, len(digits.class_names)), 0
        normalised = np.empty((max(sizes), PIXELS), self.dtype)
        for size in sizes:
            piece = slice(start, start := start + size)
            yield self.normalisation(digits.images[piece], normalised[:size]), targets[piece]


def batches_of(dataset: Dataset, normalisation: Normalisation, dtype: str, size: int = PIECE) -> Iterator[Examples]:
    """Yield a dataset in batches of `size`, as it is, in its order; the last one may be smaller."""
    targets = one_hot(dataset.labels, dtype, len(dataset.class_names))
    for start in range(0, len(dataset), size):
        images = dataset.images[start : start + size]
        yield normalisation(images, np.empty(images.shape, dtype)), targets[start : start + size]


def one_hot(labels: ByteArray, dtype: str, classes: int = len(DIGITS)) -> FloatArray:
    """Return a row for each label, 1 at its class and 0 elsewhere, shape (images, classes)."""
    return np.eye(classes, dtype=dtype)[labels]


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
