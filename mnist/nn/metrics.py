"""Measures of a network's quality: loss and accuracy, confusion matrix, precision and recall."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mnist.nn.arrays import FloatArray
from mnist.nn.losses import Loss
from mnist.nn.network import Network


@dataclass(frozen=True)
class Score:
    """Loss and accuracy over some images, stored as sums, so that the scores of two batches can be added."""

    images: int = 0
    loss_sum: float = 0.0
    correct: int = 0

    @classmethod
    def of(cls, z: FloatArray, targets: FloatArray, loss: Loss) -> Self:
        """Return the score of the last layer's `z` (images, classes) against one-hot `targets` of the same shape."""
        images = len(targets)
        correct = np.count_nonzero(z.argmax(axis=1) == targets.argmax(axis=1))
        return cls(images, images * loss.value(z, targets) if images else 0.0, int(correct))

    def __add__(self, other: "Score") -> "Score":
        """Return the score over the images of both."""
        return Score(self.images + other.images, self.loss_sum + other.loss_sum, self.correct + other.correct)

    @property
    def loss(self) -> float:
        """The mean loss of an image; NaN if there are no images."""
        return self.loss_sum / self.images if self.images else math.nan

    @property
    def accuracy(self) -> float:
        """The fraction of images whose largest output belongs to their class; NaN if there are no images."""
        return self.correct / self.images if self.images else math.nan


def score(network: Network, batches: Iterable[tuple[FloatArray, FloatArray]], loss: Loss) -> Score:
    """Return the score of a network over batches of (images, targets)."""
    return sum((Score.of(network.forward(images)[-1], targets, loss) for images, targets in batches), Score())


def confusion_matrix(labels: NDArray[np.integer], predictions: NDArray[np.integer], classes: int) -> NDArray[np.int64]:
    """Return how often the network read class i as class j, shape (classes, classes)."""
    pairs = labels.astype(np.int64) * classes + predictions
    counts: NDArray[np.int64] = np.bincount(pairs, minlength=classes * classes)
    return counts.reshape(classes, classes)


def precision_and_recall(confusion: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return precision and recall of each class, shape (classes,); a fraction of no images is 0.

    Precision is the fraction of the images read as the class that belong to it. Recall is the fraction of the class's
    images that are read as the class.
    """
    hits, taken, present = np.diagonal(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    return hits / np.maximum(taken, 1), hits / np.maximum(present, 1)
