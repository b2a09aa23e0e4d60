"""The type of array that a network computes with, the types of its training data, and memory that processes share."""

import mmap
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""Weights, activations, gradients: float32 or float64, the same type throughout a network."""

Examples: TypeAlias = tuple[FloatArray, FloatArray]
"""Images (images, inputs) and their one-hot targets (images, classes)."""

Batch: TypeAlias = tuple[int, Sequence[Examples]]
"""The number of images in a batch, and the shards of it that one process computes."""


def shared_zeros(count: int, dtype: Any) -> FloatArray:
    """Return zeros, shape (count,), in anonymous memory that this process shares with the processes that it forks."""
    size = count * np.dtype(dtype).itemsize
    try:
        memory = mmap.mmap(-1, max(1, size))
    except OSError as error:
        raise MemoryError(f"Unable to allocate {size / 2**30:.1f} GiB") from error
    return np.frombuffer(memory, dtype, count)
