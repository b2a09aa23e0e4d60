"""Names for the arrays that hold images and numbers made of them."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

ByteArray: TypeAlias = NDArray[np.uint8]
"""Pixels 0..255 and labels, as MNIST stores them."""

FloatArray: TypeAlias = NDArray[np.floating[Any]]
"""float32 or float64."""
