"""The notebook's own training loop, transcribed without functions; from `mnist/` it uses only the digits."""

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
    """Return the derivative as the notebook computes it: at x, rounded by Python itself, element by element."""
    r = sigmoid(np.vectorize(round, otypes=[float])(x))
    return r * (1 - r)


def notebook_epochs(
    digits: Dataset, w1: Array, w2: Array, w3: Array
) -> Iterator[tuple[tuple[Array, Array, Array], list[float], int]]:
    """Train from the weights (784, 100), (100, 100), (100, 10), an epoch in file order for each `next`.

    Yields the weights, the loss of each batch so far (the sum over its images), and the number of images that the
    network has read correctly so far, each just before its step.
    """
    images, labels = digits.images.reshape(-1, BATCH, 784).astype(float), digits.labels.reshape(-1, BATCH)
    # Scale each pixel at each position in a batch to 0..1.
    low, high = images.min(axis=0), images.max(axis=0)
    images = (images - low) / np.where(high > low, high - low, 1)
    last1 = last2 = last3 = np.zeros(1)
    losses: list[float] = []
    right = 0
    while True:
        for x, label in zip(images, labels, strict=True):
            y = np.zeros((BATCH, 10))
            y[range(BATCH), label] = 1
            z2 = x @ w1
            a2 = sigmoid(z2)
            z3 = a2 @ w2
            a3 = sigmoid(z3)
            z4 = a3 @ w3
            a4 = sigmoid(z4)
            losses.append(float(-(y * np.log(a4) + (1 - y) * np.log(1 - a4)).sum()))
            right += int((a4.argmax(axis=1) == label).sum())
            delta4 = 2 * (y - a4) * slope(z4)
            delta3 = delta4 @ w3.T * slope(z3)
            delta2 = delta3 @ w2.T * slope(z2)
            step1, step2, step3 = ETA * x.T @ delta2, ETA * a2.T @ delta3, ETA * a3.T @ delta4
            w1 = w1 + step1 + ALPHA * last1
            w2 = w2 + step2 + ALPHA * last2
            w3 = w3 + step3 + ALPHA * last3
            last1, last2, last3 = step1, step2, step3
        yield (w1, w2, w3), losses, right
