"""How far a network's confidence can be trusted: a temperature that corrects it, and the error that is left.

Guo, Pleiss, Sun & Weinberger 2017, "On Calibration of Modern Neural Networks".
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnist.nn.activations import softmax
from mnist.nn.arrays import FloatArray

BINS = 15
_LOWEST, _HIGHEST = 0.1, 10.0
_HALVINGS = 50


class Bin(NamedTuple):
    """The images whose confidence is in one of BINS equal intervals: means, and how many there are.

    `calibrated` is 1 where the probabilities are those after the temperature, 0 before it.
    """

    calibrated: int
    confidence: float
    accuracy: float
    images: int


def probabilities(z: FloatArray, temperature: float) -> FloatArray:
    """Return softmax(z / temperature), (images, classes), for the last layer's `z` (images, classes); equation 9."""
    return softmax(z.astype(np.float64) / temperature)


def fit_temperature(z: FloatArray, labels: NDArray[np.integer]) -> float:
    """Return the temperature, 0.1 to 10, that minimises the mean of -log(probability of the label).

    That mean is convex in 1 / temperature, so that its derivative, E[z] - z of the label, is halved in upon.
    """
    z = z.astype(np.float64)
    of_label = z[np.arange(len(labels)), labels].mean()
    low, high = 1 / _HIGHEST, 1 / _LOWEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if (probabilities(z, 1 / middle) * z).sum(axis=1).mean() > of_label:
            high = middle
        else:
            low = middle
    return 2 / (low + high)


def reliability(confidences: FloatArray, correct: NDArray[np.bool_], *, calibrated: bool) -> list[Bin]:
    """Return the bins that hold images: `confidences` (images,) are the largest probabilities, (0, 1]."""
    numbers = np.minimum((confidences * BINS).astype(int), BINS - 1)
    return [
        Bin(int(calibrated), float(confidences[inside].mean()), float(correct[inside].mean()), int(inside.sum()))
        for number in range(BINS)
        if (inside := numbers == number).any()
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Return the expected calibration error: |accuracy - confidence| of an image's bin, on average (equation 3)."""
    images = sum(each.images for each in bins)
    return sum(each.images * abs(each.accuracy - each.confidence) for each in bins) / images
