"""Test images worth looking at: from each cell of the confusion matrix, and the worst mistakes."""

import numpy as np
from numpy.typing import NDArray

from mnist.data.dataset import PIXELS, Dataset
from mnist.nn.arrays import FloatArray

EXAMPLE = np.dtype(
    [
        ("number", "<i4"),
        ("actual", "u1"),
        ("predicted", "u1"),
        ("probability", "<f4"),
        ("probability_of_actual", "<f4"),
        ("image", "u1", PIXELS),
    ]
)
"""An image: its number in the file, its class, the predicted class, the probabilities of the predicted class and of its
own, its pixels."""


def choose_examples(
    probabilities: FloatArray, predictions: NDArray[np.int64], dataset: Dataset, count: int
) -> NDArray[np.void]:
    """Return images from each cell of the confusion matrix, at most `count` from each, as an array of EXAMPLE.

    `probabilities` (images, classes) and `predictions` (images,) are those for the images of `dataset`. Cells are
    sorted by class, then by predicted class. Within a cell, mistakes are sorted by the probability of the predicted
    class, and correct images stay in file order.
    """
    classes = len(dataset.class_names)
    largest = probabilities[np.arange(len(predictions)), predictions]
    wrong = predictions != dataset.labels
    cells = dataset.labels.astype(np.int64) * classes + predictions
    order = np.argsort(np.where(wrong, -largest, 0), kind="stable")
    chosen = np.concatenate([order[cells[order] == cell][:count] for cell in range(classes**2)])
    found = np.empty(len(chosen), EXAMPLE)
    found["number"], found["actual"], found["predicted"] = chosen, dataset.labels[chosen], predictions[chosen]
    found["probability"] = largest[chosen]
    found["probability_of_actual"] = probabilities[chosen, dataset.labels[chosen]]
    found["image"] = dataset.images[chosen]
    return found


def worst_mistakes(examples: NDArray[np.void], count: int) -> NDArray[np.void]:
    """Return the mistakes among some examples, worst first, at most `count`.

    They are sorted by the probability of the predicted class minus that of the true class.
    """
    mistakes = examples[examples["actual"] != examples["predicted"]]
    lead = mistakes["probability"] - mistakes["probability_of_actual"]
    worst: NDArray[np.void] = mistakes[np.argsort(-lead, kind="stable")[:count]]
    return worst
