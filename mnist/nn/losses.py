"""The losses that training can minimise, each with its derivative with respect to the last layer's pre-activation.

`z` (images, classes) is the last layer's pre-activation; `targets` are the one-hot labels. A loss is computed from `z`,
not from the outputs: if an output is rounded to 0, its logarithm is infinite.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mnist.nn.activations import Output, sigmoid, softmax
from mnist.nn.arrays import FloatArray


@dataclass(frozen=True)
class Loss:
    """A loss, and the output function that turns `z` into the network's answer.

    `value` (z, targets) -> float is the mean loss of an image of the batch. `delta` (z, targets) -> FloatArray (images,
    classes) is the derivative of each image's loss with respect to its `z`, a row for each image.
    """

    output: Output
    value: Callable[[FloatArray, FloatArray], float]
    delta: Callable[[FloatArray, FloatArray], FloatArray]


def _softmax_cross_entropy(z: FloatArray, targets: FloatArray) -> float:
    """-log(softmax(z)) of the true class, as log(sum(exp(z))) - z, shifted so that exp never overflows."""
    # Transposed, because NumPy processes ten long rows in a fifth of the time that it takes for many short ones.
    z, targets = np.ascontiguousarray(z.T), np.ascontiguousarray(targets.T)
    shifted = z - z.max(axis=0)
    return _mean(np.log(np.exp(shifted).sum(axis=0)) - (shifted * targets).sum(axis=0))


def _softmax_cross_entropy_delta(z: FloatArray, targets: FloatArray) -> FloatArray:
    """a - y: the derivative of softmax cancels (Bishop 2006, section 5.2)."""
    delta = softmax(z)
    delta -= targets
    return delta


def _binary_cross_entropy(z: FloatArray, targets: FloatArray) -> float:
    """-(y log(a) + (1 - y) log(1 - a)) summed over classes, a = sigmoid(z), as max(z, 0) - y z + log(1 + exp(-|z|))."""
    return _mean((np.maximum(z, 0) - targets * z + np.log1p(np.exp(-np.abs(z)))).sum(axis=1))


def _binary_cross_entropy_delta(z: FloatArray, targets: FloatArray) -> FloatArray:
    """a - y, as above."""
    delta = sigmoid(z)
    delta -= targets
    return delta


def _squared_error(z: FloatArray, targets: FloatArray) -> float:
    """(a - y)^2 summed over classes, a = sigmoid(z)."""
    return _mean(((sigmoid(z) - targets) ** 2).sum(axis=1))


def _squared_error_delta(z: FloatArray, targets: FloatArray) -> FloatArray:
    """2 (a - y) a'."""
    a = sigmoid(z)
    return 2 * (a - targets) * sigmoid.derivative(a, np.empty_like(a))


def _mean(losses: FloatArray) -> float:
    return float(losses.mean(dtype=np.float64))


softmax_cross_entropy = Loss(softmax, _softmax_cross_entropy, _softmax_cross_entropy_delta)
binary_cross_entropy = Loss(sigmoid, _binary_cross_entropy, _binary_cross_entropy_delta)
squared_error = Loss(sigmoid, _squared_error, _squared_error_delta)


def mean(images: int) -> float:
    """1 / images: eta multiplies the mean of a batch's gradients."""
    return 1 / images


def total(_: int) -> float:
    """1: eta multiplies the sum of a batch's gradients."""
    return 1.0
