"""Prototypes: typical training images of each class. The page shows the prototypes nearest to a digit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist.data.dataset import Dataset
from mnist.nn.arrays import FloatArray

# With more of both, validation images are hardly nearer to a prototype of their class.
_CANDIDATES = 1000
_ROUNDS = 5


def choose_prototypes(training: Dataset, count: int) -> Dataset:
    """Return at most `count` images of each class, sorted by class; the same data always give the same images.

    These are the images nearest to the centres of k-means (Lloyd 1982). Two centres can share an image.
    """
    chosen = []
    for label in range(len(training.class_names)):
        members = _spread(np.flatnonzero(training.labels == label), _CANDIDATES)
        if len(members):
            points = training.images[members].astype(np.float32) / 255
            chosen.append(members[_nearest_to_centres(points, count)])
    return training[np.concatenate(chosen)]


def _nearest_to_centres(points: FloatArray, count: int) -> NDArray[np.int64]:
    """Return the indices, ascending, of the points (n, 784) that are nearest to the centres of `count` clusters."""
    centres = _spread(points, count)
    for _ in range(_ROUNDS):
        nearest = _squares(points, centres).argmin(axis=1)
        centres = np.stack([points[nearest == number].mean(axis=0) for number in np.unique(nearest)])
    return np.unique(_squares(points, centres).argmin(axis=0))


def _squares(points: FloatArray, centres: FloatArray) -> FloatArray:
    """Return the squared distances (points, centres), by one matrix product."""
    squares: FloatArray = (points**2).sum(axis=1)[:, None] - 2 * points @ centres.T + (centres**2).sum(axis=1)
    return squares


def _spread(values: NDArray[Any], count: int) -> NDArray[Any]:
    """Return at most `count` of the values, spread evenly over all of them."""
    chosen: NDArray[Any] = values[np.linspace(0, len(values) - 1, min(count, len(values))).astype(int)]
    return chosen
