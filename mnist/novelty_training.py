"""Fits the score of mnist/novelty.py: makes outliers, trains its network, and chooses the threshold."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from mnist.cores import count_cores
from mnist.data.arrays import ByteArray
from mnist.data.batches import one_hot
from mnist.data.dataset import Dataset
from mnist.data.deformation import Deformation, deform
from mnist.data.edges import FEATURES, edges
from mnist.data.outliers import draw_outliers, mix_outliers
from mnist.nn.arrays import Batch, FloatArray
from mnist.nn.initializers import he_normal
from mnist.nn.losses import binary_cross_entropy
from mnist.nn.network import Network
from mnist.nn.optimizers import SGD, nesterov
from mnist.nn.schedules import cosine
from mnist.nn.training import Training
from mnist.novelty import Novelty, axes_for, novelty_network

FLAGGED = 0.01
"""The part of the images of the data set itself that is taken for something else: the threshold follows from it."""

# How much the measures count, each in standard deviations.
_WEIGHTS = np.array([1, 1, 0.8])

# Twice as many images take twice as long, and flag nothing more.
_MOST_IMAGES, _MOST_HELD_OUT = 25_000, 5_000
# Drawings and mixtures for each of these images, which are made for so many images at a time.
_DRAWINGS, _MIXTURES, _PART = 4, 0.4, 2_500
_EPOCHS, _LEAST_STEPS, _BATCH = 8, 300, 200
# Most outliers are soon recognised, and teach nothing more.
_NEGLIGIBLE = 0.02
# Images of all classes that a class borrows.
_BORROWED = 100
# Keeps what is divided by from being 0 where all images are the same.
_TINY = 1e-6
# How far the known images are deformed, and the outliers.
_KNOWN = Deformation(rotation=8, scaling=0.1, shear=0.1, shift=0.5, elastic=0.7, smoothness=5)
_OTHERS = Deformation(rotation=25, scaling=0.25, shear=0.3, shift=1, elastic=1.3, smoothness=4)


def fit_novelty(training: Dataset, held_out: ByteArray, z: FloatArray, rng: np.random.Generator) -> Novelty:
    """Return the score for images unlike those of `training`.

    The held-out images (images, 784) and the trained network's `z` (images, classes) for them set its threshold.
    """
    training = training[rng.permutation(len(training))[:_MOST_IMAGES]]
    features = edges(training.images, "float32")
    offset, scale = float(features.mean()), float(1 / max(features.std(), _TINY))
    network = _train(training, features, offset, scale, rng)
    fitted = Novelty(network, offset, scale, *_fit_classes(training, features), np.ones(3), 0.0)
    measures = fitted.measure(held_out[:_MOST_HELD_OUT], z[:_MOST_HELD_OUT])
    centre = measures.mean(axis=1)
    factors = _WEIGHTS / np.maximum(measures.std(axis=1), _TINY)
    factors /= max(float(np.quantile(factors @ (measures - centre[:, np.newaxis]), 1 - FLAGGED)), _TINY)
    return replace(fitted, factors=factors, constant=-float(factors @ centre))


def _fit_classes(training: Dataset, features: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return `means`, `axes` and `rest` of a Gaussian for each class.

    The variance along the axes that are left out is their mean. A class of few images borrows from the covariance of
    all (Friedman 1989, "Regularized Discriminant Analysis").
    """
    classes = len(training.class_names)
    everything = features.mean(axis=0)
    groups = [features[training.labels == number] for number in range(classes)]
    means = np.array([group.mean(axis=0) if len(group) else everything for group in groups])
    scatters = [(group - mean).T @ (group - mean) for group, mean in zip(groups, means, strict=True)]
    pooled = sum(scatters) / len(features) + _TINY * np.eye(FEATURES)
    axes, rest = np.empty((classes, axes_for(classes), FEATURES)), np.empty(classes)
    for number, (group, scatter) in enumerate(zip(groups, scatters, strict=True)):
        variances, vectors = np.linalg.eigh((scatter + _BORROWED * pooled) / (len(group) + _BORROWED))
        principal = slice(-axes_for(classes), None)
        rest[number] = 1 / variances[: principal.start].mean()
        less = np.sqrt(np.maximum(rest[number] - 1 / variances[principal], 0))
        axes[number] = (vectors[:, principal] * less).T
    return means.astype(np.float32), axes.astype(np.float32), rest.astype(np.float32)


def _train(training: Dataset, features: FloatArray, offset: float, scale: float, rng: np.random.Generator) -> Network:
    """Return a network that knows the images of each class from outliers."""
    parts = [training.images[start : start + _PART] for start in range(0, len(training), _PART)]
    with ThreadPoolExecutor(count_cores()) as pool:
        deformed, outliers = zip(*pool.map(_make_examples, parts, rng.spawn(len(parts))), strict=True)
    inputs = np.concatenate([features, *deformed, *outliers])
    inputs -= np.float32(offset)
    inputs *= np.float32(scale)
    targets = np.zeros((len(inputs), len(training.class_names)), np.float32)
    targets[: 2 * len(training)] = np.tile(one_hot(training.labels, "float32", targets.shape[1]), (2, 1))
    network = novelty_network(targets.shape[1])
    network.initialize(he_normal, rng)
    learning = Training(
        network=network,
        optimizer=SGD(network.theta, nesterov, alpha=0.9, weight_decay=3e-4),
        loss=binary_cross_entropy,
        eta=lambda progress: 0.1 * cosine(progress),
        epochs=max(_EPOCHS, _LEAST_STEPS * _BATCH // len(inputs)),
        negligible=_NEGLIGIBLE,
    )
    for _ in learning.run(_Shuffled(inputs, targets, rng), ()):
        pass
    return network


def _make_examples(images: ByteArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return the features of `images` (images, 784), deformed, and of outliers for them."""
    mixtures = deform(mix_outliers(images, rng)[: int(_MIXTURES * len(images))], _KNOWN, rng)
    drawings = deform(draw_outliers(_DRAWINGS * len(images), rng), _OTHERS, rng)
    outliers = np.concatenate([mixtures, drawings])
    return edges(deform(images, _KNOWN, rng), "float32"), edges(outliers, "float32")


@dataclass(frozen=True)
class _Shuffled:
    """Images and targets in batches, in a new order for each epoch."""

    inputs: FloatArray
    targets: FloatArray
    rng: np.random.Generator

    def draw(self, _: float, __: slice) -> tuple[int, Iterator[Iterator[Batch]]]:
        order = self.rng.permutation(len(self.inputs))
        chosen = (order[start : start + _BATCH] for start in range(0, len(order), _BATCH))
        return len(order), iter([((len(some), [(self.inputs[some], self.targets[some])]) for some in chosen)])
