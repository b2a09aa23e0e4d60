"""The functions that follow a layer's matrix product, each with its derivative.

The derivative needs the activation `a` only, so that a layer does not have to keep its pre-activation `z`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mnist.nn.arrays import FloatArray


class Function(Protocol):
    """(z) -> a: the activation `a` of the pre-activation `z`, in a new array or in `out`, of the same shape."""

    def __call__(self, z: FloatArray, /, out: FloatArray | None = None) -> FloatArray:
        """Return a."""


@dataclass(frozen=True)
class Output:
    """A function (z, out) -> a, with its name, that can follow the last matrix product."""

    name: str
    function: Function

    def __call__(self, z: FloatArray, /, out: FloatArray | None = None) -> FloatArray:
        """Return the activation of `z`, in a new array or in `out`, which may be `z`."""
        return self.function(z, out=out)


@dataclass(frozen=True)
class Activation(Output):
    """A function of one number, applied to each element, that can follow any matrix product.

    Its derivative (a, out) -> da/dz is computed from the activation, into `out`, another array of the same shape.
    """

    derivative: Callable[[FloatArray, FloatArray], FloatArray]


def _relu(z: FloatArray, /, out: FloatArray | None = None) -> FloatArray:
    return np.maximum(z, 0, out=out)


def _relu_derivative(a: FloatArray, out: FloatArray) -> FloatArray:
    return np.greater(a, 0, out=out)


def _tanh_derivative(a: FloatArray, out: FloatArray) -> FloatArray:
    np.multiply(a, a, out=out)
    return np.subtract(1, out, out=out)


def _sigmoid(z: FloatArray, /, out: FloatArray | None = None) -> FloatArray:
    """1 / (1 + exp(-z)), written as (1 + tanh(z / 2)) / 2 because tanh never overflows."""
    a: FloatArray = np.multiply(z, 0.5, out=out)
    np.tanh(a, out=a)
    a += 1
    a *= 0.5
    return a


def _sigmoid_derivative(a: FloatArray, out: FloatArray) -> FloatArray:
    np.subtract(1, a, out=out)
    out *= a
    return out


def _softmax(z: FloatArray, /, out: FloatArray | None = None) -> FloatArray:
    """exp(z) / sum(exp(z)) over each row of `z` (images, classes), shifted so that exp never overflows."""
    # NumPy finds the maximum of ten long rows in a fifth of the time that it takes for as many short columns.
    largest = np.ascontiguousarray(z.T).max(axis=0)
    a: FloatArray = np.subtract(z, largest[:, np.newaxis], out=out)
    np.exp(a, out=a)
    a /= a.sum(axis=1, keepdims=True)
    return a


relu = Activation("relu", _relu, _relu_derivative)
tanh = Activation("tanh", np.tanh, _tanh_derivative)
sigmoid = Activation("sigmoid", _sigmoid, _sigmoid_derivative)
softmax = Output("softmax", _softmax)
