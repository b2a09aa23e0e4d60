"""The one kind of array that a network computes with, and where one lies that several processes share."""

import mmap
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""Weights, activations, gradients: float32 or float64, all of one network alike."""


def shared_zeros(count: int, dtype: Any) -> FloatArray:
    """Return zeros, shape (count,), that this process shares with those that it forks; memory without a name."""
    memory = mmap.mmap(-1, max(1, count * np.dtype(dtype).itemsize))
    return np.frombuffer(memory, dtype, count)
