"""The one kind of array that a network computes with, and where one lies that several processes share."""

import mmap
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""Weights, activations, gradients: float32 or float64, all of one network alike."""


def shared_zeros(count: int, dtype: Any) -> FloatArray:
    """Return zeros, shape (count,), in memory without a name that this process shares with those that it forks."""
    size = count * np.dtype(dtype).itemsize
    try:
        memory = mmap.mmap(-1, max(1, size))
    except OSError as error:
        raise MemoryError(f"Unable to allocate {size / 2**30:.1f} GiB") from error
    return np.frombuffer(memory, dtype, count)
