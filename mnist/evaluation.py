"""How good a network is: loss, accuracy, confusion matrix, figures for each class, and what it gets most wrong."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mnist.arrays import ByteArray, FloatArray
from mnist.dataset import CLASSES, PIXELS, Dataset, one_hot
from mnist.losses import LOSSES
from mnist.network import Layer, Network
from mnist.normalisation import identity


@dataclass(frozen=True)
class Score:
    """Loss and accuracy over a number of images, kept as sums so that the scores of two batches can be added."""

    images: int = 0
    loss_sum: float = 0.0
    correct: int = 0

    @classmethod
    def of(cls, output: Layer, targets: FloatArray, loss: str) -> Self:
        """Return the score of what the last layer says of a batch, against one-hot `targets` (images, 10)."""
        images = len(targets)
        right = output.a.argmax(axis=1) == targets.argmax(axis=1)
        return cls(images, images * LOSSES[loss].value(output.z, output.a, targets), int(np.count_nonzero(right)))

    def __add__(self, other: "Score") -> "Score":
        """Return the score over the images of both."""
        return Score(self.images + other.images, self.loss_sum + other.loss_sum, self.correct + other.correct)

    @property
    def loss(self) -> float:
        """The mean loss of an image; not a number where there are no images."""
        return self.loss_sum / self.images if self.images else math.nan

    @property
    def accuracy(self) -> float:
        """The fraction of images whose largest output is that of their class; not a number as `loss`."""
        return self.correct / self.images if self.images else math.nan


def score(network: Network, dataset: Dataset, loss: str) -> Score:
    """Return the score of a network on a dataset of any size, `loss` being a key of LOSSES."""
    dtype = network.architecture.dtype
    total = Score()
    for piece in dataset.chunks():
        total += Score.of(network.forward(piece.images)[-1], one_hot(piece.labels, dtype), loss)
    return total


def predict(network: Network, dataset: Dataset) -> FloatArray:
    """Return the network's outputs for all images, shape (images, 10)."""
    return np.concatenate([network.forward(piece.images)[-1].a for piece in dataset.chunks()])


def confusion_matrix(labels: ByteArray, predictions: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return how often class i was taken for class j, shape (10, 10)."""
    pairs = labels.astype(np.int64) * CLASSES + predictions
    counts: NDArray[np.int64] = np.bincount(pairs, minlength=CLASSES * CLASSES)
    return counts.reshape(CLASSES, CLASSES)


def precision_and_recall(confusion: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two figures for each class, shape (10,) each.

    Precision: of the images taken for the class, the fraction that are of it. Recall: of the images of the class, the
    fraction taken for it. A fraction of nothing is 0.
    """
    hits, taken, present = np.diagonal(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    return hits / np.maximum(taken, 1), hits / np.maximum(present, 1)


def worst_mistakes(outputs: FloatArray, labels: ByteArray, count: int) -> NDArray[np.int64]:
    """Return which images the network gets most wrong, worst first, at most `count`.

    The measure is how far the output of the wrong class stands above that of the right one.
    """
    lead = outputs.max(axis=1) - outputs[np.arange(len(labels)), labels]
    wrong = np.flatnonzero(outputs.argmax(axis=1) != labels)
    return wrong[np.argsort(-lead[wrong], kind="stable")[:count]]


EXAMPLE = np.dtype(
    [
        ("number", "<i4"),
        ("actual", "u1"),
        ("predicted", "u1"),
        ("output", "<f4"),
        ("output_of_actual", "<f4"),
        ("image", "u1", PIXELS),
    ]
)
"""An image to look at: its number in the file, its class, the class it was taken for, the outputs of both, pixels."""


def examples(outputs: FloatArray, dataset: Dataset, count: int) -> NDArray[np.void]:
    """Return images to look at from each cell of the confusion matrix, at most `count` from each.

    Mistakes come with the largest output first, images that are read right in the order of the file.

    Parameters
    ----------
    outputs : FloatArray, shape (images, 10)
        What `predict` returned.
    dataset : Dataset
        The images.
    count : int

    Returns
    -------
    ndarray of EXAMPLE, shape (at most 100 * count,)
        Ordered by class, then by the class it was taken for.
    """
    predictions, largest = outputs.argmax(axis=1), outputs.max(axis=1)
    wrong = predictions != dataset.labels
    cells = dataset.labels.astype(np.int64) * CLASSES + predictions
    order = np.argsort(np.where(wrong, -largest, 0), kind="stable")
    chosen = np.concatenate([order[cells[order] == cell][:count] for cell in range(CLASSES**2)])
    found = np.empty(len(chosen), EXAMPLE)
    found["number"], found["actual"], found["predicted"] = chosen, dataset.labels[chosen], predictions[chosen]
    found["output"], found["output_of_actual"] = largest[chosen], outputs[chosen, dataset.labels[chosen]]
    found["image"] = dataset.images[chosen]
    return found


def _as_trained(network: Network) -> Network:
    return network


def _without_normalisation(network: Network) -> Network:
    return network.with_normalisation(identity())


EVALUATION_IMAGES: dict[str, Callable[[Network], Network]] = {
    "normalized": _as_trained,
    # The notebook's slip: it normalised the images it trained on, but not those it tested on.
    "raw": _without_normalisation,
}
"""`evaluation_images` in params.yaml -> the network to evaluate."""
