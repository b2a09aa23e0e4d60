"""The type of the arrays that hold images and labels as MNIST stores them."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

ByteArray: TypeAlias = NDArray[np.uint8]
"""Pixels 0..255 and labels, as MNIST stores them."""
