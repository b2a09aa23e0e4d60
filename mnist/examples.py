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
        ("output", "<f4"),
        ("output_of_actual", "<f4"),
        ("image", "u1", PIXELS),
    ]
)
"""An image: its number in the file, its class, the predicted class, the outputs of both, its pixels."""


def choose_examples(outputs: FloatArray, dataset: Dataset, count: int) -> NDArray[np.void]:
    """Return images from each cell of the confusion matrix, at most `count` from each, as an array of EXAMPLE.

    `outputs` (images, classes) are the outputs of the network for the images of `dataset`. Cells are sorted by class,
    then by predicted class. Within a cell, mistakes are sorted by their largest output, and correct images stay in file
    order.
    """
    classes = len(dataset.class_names)
    predictions, largest = outputs.argmax(axis=1), outputs.max(axis=1)
    wrong = predictions != dataset.labels
    cells = dataset.labels.astype(np.int64) * classes + predictions
    order = np.argsort(np.where(wrong, -largest, 0), kind="stable")
    chosen = np.concatenate([order[cells[order] == cell][:count] for cell in range(classes**2)])
    found = np.empty(len(chosen), EXAMPLE)
    found["number"], found["actual"], found["predicted"] = chosen, dataset.labels[chosen], predictions[chosen]
    found["output"], found["output_of_actual"] = largest[chosen], outputs[chosen, dataset.labels[chosen]]
    found["image"] = dataset.images[chosen]
    return found


def worst_mistakes(examples: NDArray[np.void], count: int) -> NDArray[np.void]:
    """Return the mistakes among some examples, worst first, at most `count`.

    They are sorted by the output of the predicted class minus the output of the true class.
    """
    mistakes = examples[examples["actual"] != examples["predicted"]]
    lead = mistakes["output"] - mistakes["output_of_actual"]
    worst: NDArray[np.void] = mistakes[np.argsort(-lead, kind="stable")[:count]]
    return worst
