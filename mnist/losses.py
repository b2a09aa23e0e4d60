"""What training makes small: each loss beside its derivative by the last layer's pre-activation.

`z` (images, classes) is the last layer's pre-activation, `a` its activation, `targets` the one-hot labels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mnist.activations import ACTIVATIONS
from mnist.arrays import FloatArray


@dataclass(frozen=True)
class Loss:
    """A loss and the output layer that goes with it.

    Attributes
    ----------
    output : str or None
        The activation of the output layer, a key of `OUTPUTS`; None: the same as in the hidden layers.
    value : (z, a, targets) -> float
        The loss of an image, averaged over the batch.
    delta : (z, a, targets, output) -> FloatArray, shape (images, classes)
        Row i: the derivative of image i's loss by its z, where `output` names the output layer's activation.
    """

    output: str | None
    value: Callable[[FloatArray, FloatArray, FloatArray], float]
    delta: Callable[[FloatArray, FloatArray, FloatArray, str], FloatArray]


def _softmax_cross_entropy(z: FloatArray, _: FloatArray, targets: FloatArray) -> float:
    """-log(softmax(z)) of the true class, as log(sum(exp(z))) - z, shifted so that exp never overflows."""
    # Turned to (classes, images): NumPy works through ten long rows in a fifth of the time of as many short ones.
    z, targets = np.ascontiguousarray(z.T), np.ascontiguousarray(targets.T)
    shifted = z - z.max(axis=0)
    return _mean(np.log(np.exp(shifted).sum(axis=0)) - (shifted * targets).sum(axis=0))


def _binary_cross_entropy(z: FloatArray, _: FloatArray, targets: FloatArray) -> float:
    """-(y log(a) + (1 - y) log(1 - a)) summed over classes, a = sigmoid(z), as max(z, 0) - y z + log(1 + exp(-|z|))."""
    return _mean((np.maximum(z, 0) - targets * z + np.log1p(np.exp(-np.abs(z)))).sum(axis=1))


def _squared_error(_: FloatArray, a: FloatArray, targets: FloatArray) -> float:
    """(a - y)^2 summed over classes."""
    return _mean(((a - targets) ** 2).sum(axis=1))


def _mean(losses: FloatArray) -> float:
    return float(losses.mean(dtype=np.float64))


def _cross_entropy_delta(_z: FloatArray, a: FloatArray, targets: FloatArray, _output: str) -> FloatArray:
    """a - y, for both cross-entropies: the derivative of their own output layer cancels (Bishop 2006, section 5.2)."""
    return a - targets


def _squared_error_delta(z: FloatArray, a: FloatArray, targets: FloatArray, output: str) -> FloatArray:
    """2 (a - y) s'(z)."""
    return 2 * (a - targets) * ACTIVATIONS[output].derivative(z, a, np.empty_like(a))


LOSSES: dict[str, Loss] = {
    "softmax_cross_entropy": Loss("softmax", _softmax_cross_entropy, _cross_entropy_delta),
    "binary_cross_entropy": Loss("sigmoid", _binary_cross_entropy, _cross_entropy_delta),
    "squared_error": Loss("sigmoid", _squared_error, _squared_error_delta),
    # The notebook's: it prints one loss and descends another, and its rounded derivative is that of the last layer too.
    "squared_error_shown_as_cross_entropy": Loss(None, _binary_cross_entropy, _squared_error_delta),
}
"""`loss` in params.yaml -> the loss."""
