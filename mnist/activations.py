"""What follows a layer's matrix product: each function beside its derivative."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mnist.arrays import FloatArray


@dataclass(frozen=True)
class Activation:
    """A function of one number, applied to each element.

    Attributes
    ----------
    value : (z) -> a
        The activation `a` of the pre-activation `z`.
    derivative : (z, a) -> da/dz
        From whichever of the two is cheaper; both have the same shape, and so has the result.
    """

    value: Callable[[FloatArray], FloatArray]
    derivative: Callable[[FloatArray, FloatArray], FloatArray]


def sigmoid(z: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-z)), written as (1 + tanh(z / 2)) / 2 because tanh never overflows."""
    a: FloatArray = np.tanh(0.5 * z)
    a += 1
    a *= 0.5
    return a


def _sigmoid_derivative(_: FloatArray, a: FloatArray) -> FloatArray:
    return a * (1 - a)


def _sigmoid_rounded_derivative(z: FloatArray, _: FloatArray) -> FloatArray:
    """The notebook's: r (1 - r) with r = sigmoid(z rounded to an integer, half to even)."""
    r = sigmoid(np.rint(z))
    return r * (1 - r)


def _tanh_derivative(_: FloatArray, a: FloatArray) -> FloatArray:
    return 1 - a * a


def _relu(z: FloatArray) -> FloatArray:
    return np.maximum(z, 0)


def _relu_derivative(z: FloatArray, _: FloatArray) -> FloatArray:
    return (z > 0).astype(z.dtype)


ACTIVATIONS: dict[str, Activation] = {
    "sigmoid": Activation(sigmoid, _sigmoid_derivative),
    "tanh": Activation(np.tanh, _tanh_derivative),
    "relu": Activation(_relu, _relu_derivative),
    "sigmoid_rounded_derivative": Activation(sigmoid, _sigmoid_rounded_derivative),
}
"""`activation` in params.yaml -> the function."""


def softmax(z: FloatArray) -> FloatArray:
    """Return exp(z) / sum(exp(z)) over each row of `z` (images, classes), shifted so that exp never overflows."""
    a: FloatArray = np.exp(z - z.max(axis=1, keepdims=True))
    a /= a.sum(axis=1, keepdims=True)
    return a


OUTPUTS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "softmax": softmax,
    **{name: activation.value for name, activation in ACTIVATIONS.items()},
}
"""What may follow the last matrix product; softmax mixes the elements of a row, so that it stands here only."""
