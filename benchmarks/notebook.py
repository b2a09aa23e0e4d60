"""The notebook's own training loop, transcribed in straight lines; it uses nothing of `mnist/` but its digits."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mnist.data.dataset import Dataset

Array = NDArray[np.float64]

BATCH, ETA, ALPHA = 100, 0.01, 0.01


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + np.exp(-x)))


def slope(x: Array) -> Array:
    """Return the derivative as the notebook has it: x rounded by Python itself, element by element."""
    r = sigmoid(np.vectorize(round, otypes=[float])(x))
    return r * (1 - r)


def normalised_batches(digits: Dataset) -> Array:
    """Return (batches, 100, 784), each pixel at each position in a batch scaled to 0..1."""
    images = digits.images.reshape(-1, BATCH, digits.images.shape[1]).astype(float)
    low, high = images.min(axis=0), images.max(axis=0)
    span = high - low
    span[span == 0] = 1
    return np.asarray((images - low) / span)


class NotebookLoop:
    """Its three matrices, the last step of each, and what it prints.

    Attributes
    ----------
    w1, w2, w3 : Array
        The weights (784, 100), (100, 100), (100, 10), replaced at each step.
    losses : list of float
        Summed over each batch.
    right : int
        How many images it has classified correctly so far, each just before its step.
    """

    def __init__(self, w1: Array, w2: Array, w3: Array) -> None:
        self.w1, self.w2, self.w3 = w1, w2, w3
        self.last1 = self.last2 = self.last3 = np.zeros(1)
        self.losses: list[float] = []
        self.right = 0

    def epoch(self, images: Array, digits: Dataset) -> None:
        """Train on all batches, in file order."""
        labels = digits.labels.reshape(-1, BATCH)
        for x, label in zip(images, labels, strict=True):
            y = np.zeros((BATCH, 10))
            y[range(BATCH), label] = 1
            z2 = x @ self.w1
            a2 = sigmoid(z2)
            z3 = a2 @ self.w2
            a3 = sigmoid(z3)
            z4 = a3 @ self.w3
            a4 = sigmoid(z4)
            self.losses.append(float(-(y * np.log(a4) + (1 - y) * np.log(1 - a4)).sum()))
            self.right += int((a4.argmax(axis=1) == label).sum())
            delta4 = 2 * (y - a4) * slope(z4)
            delta3 = delta4 @ self.w3.T * slope(z3)
            delta2 = delta3 @ self.w2.T * slope(z2)
            step1, step2, step3 = ETA * x.T @ delta2, ETA * a2.T @ delta3, ETA * a3.T @ delta4
            self.w1 = self.w1 + step1 + ALPHA * self.last1
            self.w2 = self.w2 + step2 + ALPHA * self.last2
            self.w3 = self.w3 + step3 + ALPHA * self.last3
            self.last1, self.last2, self.last3 = step1, step2, step3


def notebook_epochs(digits: Dataset, rng: np.random.Generator) -> Iterator[float]:
    """Train from N(0, 1) weights, an epoch for each `next`; yield the mean loss of an image so far."""
    images = normalised_batches(digits)
    loop = NotebookLoop(*(rng.standard_normal(shape) for shape in ((784, 100), (100, 100), (100, 10))))
    while True:
        loop.epoch(images, digits)
        yield float(np.mean(loop.losses)) / BATCH
