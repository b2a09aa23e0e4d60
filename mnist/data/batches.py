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
"""Images that are measured at a time: this bounds the memory that measuring takes."""

# Seconds after which a thread releases the interpreter. With Python's default, 0.005, an epoch with deformations took
# 3% longer.
_SWITCH_INTERVAL = 0.0005

T = TypeVar("T")


@dataclass
class Batches:
    """Draws the training images of each epoch, and yields them as batches of type `dtype`.

    Each batch is split into `shards`. The generator "shuffling" draws the order of the images; the generator
    "deformation" draws a seed for each shard, from which the deformations of its images follow.
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
        """Return the number of images in the next epoch, and its batches in chunks.

        `progress` is the fraction of the training, 0..1, that is complete when the epoch begins. `part` selects shards
        of each batch, and does not change their content. Use one batch at a time: the next one overwrites it. The call
        draws from the generators the numbers of the whole epoch, whatever `part` is.
        """
        order = self.order(len(self.dataset), self.batch_size, self.generators["shuffling"])
        seeds = self.generators["deformation"].integers(2**63, size=self.shards)
        wanted = {shard: np.random.default_rng(seeds[shard]) for shard in range(self.shards)[part]}
        chunks = self._chunks(order, self.deformation.faded(progress), wanted)
        # A process that trains on all shards alone can leave their preparation to another core.
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
        """Yield the images in pieces of these `sizes`; each piece overwrites the one before.

        A piece is normalised just before it is used, so that it is in the cache of the core that uses it.
        """
        targets, start = one_hot(digits.labels, self.dtype, len(digits.class_names)), 0
        normalised = np.empty((max(sizes), PIXELS), self.dtype)
        for size in sizes:
            piece = slice(start, start := start + size)
            yield self.normalisation(digits.images[piece], normalised[:size]), targets[piece]


def batches_of(dataset: Dataset, normalisation: Normalisation, dtype: str, size: int = PIECE) -> Iterator[Examples]:
    """Yield a dataset in batches of `size`, without shuffling or deformation; the last batch may be smaller."""
    targets = one_hot(dataset.labels, dtype, len(dataset.class_names))
    for start in range(0, len(dataset), size):
        images = dataset.images[start : start + size]
        yield normalisation(images, np.empty(images.shape, dtype)), targets[start : start + size]


def one_hot(labels: ByteArray, dtype: str, classes: int = len(DIGITS)) -> FloatArray:
    """Return a row for each label, 1 at its class and 0 elsewhere, shape (images, classes)."""
    return np.eye(classes, dtype=dtype)[labels]


def prefetch(items: Iterator[T]) -> Iterator[T]:
    """Yield the same items; a thread makes the next item while the caller uses the current one."""
    usual = sys.getswitchinterval()
    # Between two NumPy calls each thread needs the interpreter for microseconds, and may wait this long to get it.
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
    """Full batches in the order of the file; a partial last batch is dropped."""
    return np.arange(count - count % batch_size)
