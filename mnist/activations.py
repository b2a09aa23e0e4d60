"""What follows a layer's matrix product: each function beside its derivative.

Results go where `out` says, as with NumPy's own functions, because new arrays are not free: large ones come from the
system page by page.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mnist.arrays import FloatArray


class Function(Protocol):
    """(z) -> a: the activation `a` of the pre-activation `z`, in a new array or in `out`, of the same shape."""

    def __call__(self, z: FloatArray, /, out: FloatArray | None = None) -> FloatArray:
        """Return a."""


@dataclass(frozen=True)
class Activation:
    """A function of one number, applied to each element.

    Attributes
    ----------
    value : (z) -> a
        The activation `a` of the pre-activation `z`.
    derivative : (z, a, out) -> da/dz
        From whichever of `z` and `a` is cheaper, written into `out`, which may be `z`; all have the same shape.
    """

    value: Function
    derivative: Callable[[FloatArray, FloatArray, FloatArray], FloatArray]


def sigmoid(z: FloatArray, /, out: FloatArray | None = None) -> FloatArray:
    """Return 1 / (1 + exp(-z)), written as (1 + tanh(z / 2)) / 2 because tanh never overflows."""
    a: FloatArray = np.multiply(z, 0.5, out=out)
    np.tanh(a, out=a)
    a += 1
    a *= 0.5
    return a


def _sigmoid_derivative(_: FloatArray, a: FloatArray, out: FloatArray) -> FloatArray:
    np.subtract(1, a, out=out)
    out *= a
    return out


def _sigmoid_rounded_derivative(z: FloatArray, _: FloatArray, out: FloatArray) -> FloatArray:
    """The notebook's: r (1 - r) with r = sigmoid(z rounded to an integer, half to even)."""
    r = sigmoid(np.rint(z, out=out), out=out)
    r *= 1 - r
    return r


def _tanh_derivative(_: FloatArray, a: FloatArray, out: FloatArray) -> FloatArray:
    np.multiply(a, a, out=out)
    return np.subtract(1, out, out=out)


def _relu(z: FloatArray, /, out: FloatArray | None = None) -> FloatArray:
    return np.maximum(z, 0, out=out)


def _relu_derivative(_: FloatArray, a: FloatArray, out: FloatArray) -> FloatArray:
    return np.greater(a, 0, out=out)


ACTIVATIONS: dict[str, Activation] = {
    "sigmoid": Activation(sigmoid, _sigmoid_derivative),
    "tanh": Activation(np.tanh, _tanh_derivative),
    "relu": Activation(_relu, _relu_derivative),
    "sigmoid_rounded_derivative": Activation(sigmoid, _sigmoid_rounded_derivative),
}
"""`activation` in params.yaml -> the function."""


def softmax(z: FloatArray, /, out: FloatArray | None = None) -> FloatArray:
    """Return exp(z) / sum(exp(z)) over each row of `z` (images, classes), shifted so that exp never overflows."""
    # The largest of ten long rows is found in a fifth of the time of as many short ones: 9 instead of 47 of the 84
    # microseconds for 1000 images. The sum stays as it is, because its last bit depends on the order.
    largest = np.ascontiguousarray(z.T).max(axis=0)
    a: FloatArray = np.subtract(z, largest[:, np.newaxis], out=out)
    np.exp(a, out=a)
    a /= a.sum(axis=1, keepdims=True)
    return a


OUTPUTS: dict[str, Function] = {
    "softmax": softmax,
    **{name: activation.value for name, activation in ACTIVATIONS.items()},
}
"""What may follow the last matrix product; softmax mixes the elements of a row, so that it stands here only."""
