"""The weights that training starts from: (rng, fan_in, fan_out) -> weights (fan_in, fan_out), float64."""

import math

import numpy as np
from numpy.typing import NDArray


def standard_normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> NDArray[np.float64]:
    """N(0, 1), whatever the size of the layer."""
    return rng.standard_normal((fan_in, fan_out))


def lecun_normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> NDArray[np.float64]:
    """N(0, 1 / fan_in): keeps the variance of a layer's inputs (LeCun et al. 1998, Efficient BackProp, eq. 16)."""
    return standard_normal(rng, fan_in, fan_out) * math.sqrt(1 / fan_in)


def he_normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> NDArray[np.float64]:
    """N(0, 2 / fan_in): the same if relu sets half of the inputs to zero (He et al. 2015, eq. 10)."""
    return standard_normal(rng, fan_in, fan_out) * math.sqrt(2 / fan_in)
