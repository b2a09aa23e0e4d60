"""Names for the two kinds of arrays that the project passes around."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""Weights, activations, gradients: float32 or float64, as the hyperparameter `dtype` says."""

ByteArray: TypeAlias = NDArray[np.uint8]
"""Pixels 0..255 and labels 0..9, as MNIST stores them."""
