"""The one kind of array that a network computes with."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""Weights, activations, gradients: float32 or float64, all of one network alike."""
