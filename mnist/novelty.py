"""How new an image is: a score for "this looks like no training image".

It adds three measures. The first is how little the trained network itself recognises any class: its largest `z`, as
letters and digits excite it alike, but scribbles do not. The others start from the edges of an image, because letters
and digits are made of the same ink in other directions.

- A second network, which separates the training images of each class from outliers that are made for it: one-vs-rest
  outputs (Shu, Xu & Liu 2017, "DOC: Deep Open Classification of Text Documents"), trained with outliers (Hendrycks,
  Mazeika & Dietterich 2019, "Deep Anomaly Detection with Outlier Exposure").
- The distance to the nearest class, by a Gaussian of few dimensions for each (Moghaddam & Pentland 1997, "Probabilistic
  Visual Learning for Object Representation", equation 16).
"""

from dataclasses import dataclass

import numpy as np

from mnist.data.arrays import ByteArray
from mnist.data.edges import FEATURES, edges
from mnist.nn.activations import relu, sigmoid
from mnist.nn.arrays import FloatArray
from mnist.nn.network import Network

HIDDEN = 256
# Axes of all Gaussians together, which bounds the size of a model file, however many classes there are.
_AXES = 300


@dataclass(frozen=True)
class Novelty:
    """The fitted score: `novelty(pixels)`.

    Attributes
    ----------
    network : Network
        From the normalised features to an output for each class.
    offset, scale : float
        Of the normalisation (x - offset) * scale of the features.
    means : FloatArray, float32, shape (classes, FEATURES)
    axes : FloatArray, float32, shape (classes, axes, FEATURES)
        What the squared distance to a class has less along its principal axes.
    rest : FloatArray, float32, shape (classes,)
        1 / the variance of a class along all other axes.
    factors : FloatArray, float64, shape (3,)
        What the measures are multiplied by.
    constant : float
        What is added to their sum.
    """

    network: Network
    offset: float
    scale: float
    means: FloatArray
    axes: FloatArray
    rest: FloatArray
    factors: FloatArray
    constant: float

    def __call__(self, pixels: ByteArray, z: FloatArray) -> FloatArray:
        """Return the score (images,) of `pixels` (images, 784); `z` (images, classes) is the trained network's.

        It is 0 for the mean image of the data set; FLAGGED of those images have more than 1.
        """
        scores: FloatArray = self.factors @ self.measure(pixels, z) + self.constant
        return scores

    def measure(self, pixels: ByteArray, z: FloatArray) -> FloatArray:
        """Return the measures (3, images): how little either network knows an image, how far the nearest class is."""
        features = edges(pixels)
        normalised = ((features - self.offset) * self.scale).astype(np.float32)
        squares = []
        for mean, axes, rest in zip(self.means, self.axes, self.rest, strict=True):
            away = features - mean
            squares.append(rest * (away**2).sum(axis=1) - ((away @ axes.T) ** 2).sum(axis=1))
        distance = np.sqrt(np.maximum(np.min(squares, axis=0), 0))
        own = self.network.forward(normalised)[-1]
        return np.stack([-z.max(axis=1).astype(np.float64), -own.max(axis=1).astype(np.float64), distance])


def axes_for(classes: int) -> int:
    """Return how many axes each of so many classes has."""
    return max(1, _AXES // classes)


def novelty_network(classes: int) -> Network:
    """Return the network of the score, its weights 0."""
    return Network((FEATURES, HIDDEN, classes), relu, sigmoid, bias=True)
