"""The weights that training starts from."""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Weights: TypeAlias = NDArray[np.float64]


def lecun_normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """N(0, 1 / fan_in): keeps the variance of a layer's inputs (LeCun et al. 1998, Efficient BackProp, eq. 16)."""
    return standard_normal(rng, fan_in, fan_out) * math.sqrt(1 / fan_in)


def he_normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """N(0, 2 / fan_in): the same where relu sets half of the inputs to zero (He et al. 2015, eq. 10)."""
    return standard_normal(rng, fan_in, fan_out) * math.sqrt(2 / fan_in)


def standard_normal(rng: np.random.Generator, fan_in: int, fan_out: int) -> Weights:
    """N(0, 1), whatever the size of the layer: the notebook's."""
    return rng.standard_normal((fan_in, fan_out))


INITIALIZERS: dict[str, Callable[[np.random.Generator, int, int], Weights]] = {
    "lecun_normal": lecun_normal,
    "he_normal": he_normal,
    "standard_normal": standard_normal,
}
"""`initializer` in params.yaml -> the function (rng, fan_in, fan_out) -> weights, shape (fan_in, fan_out)."""
