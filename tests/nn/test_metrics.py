"""Metrics of a network, compared with hand-counted figures."""

import math

import numpy as np
import pytest

from mnist.nn.activations import relu, softmax
from mnist.nn.losses import softmax_cross_entropy
from mnist.nn.metrics import Score, confusion_matrix, precision_and_recall, score
from mnist.nn.network import Network


def test_confusion_precision_and_recall_are_the_counted_ones() -> None:
    labels, predictions = np.array([0, 0, 0, 1, 1, 2], np.uint8), np.array([0, 0, 1, 1, 0, 3])
    confusion = confusion_matrix(labels, predictions, 4)
    np.testing.assert_array_equal(confusion, [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    precision, recall = precision_and_recall(confusion)
    np.testing.assert_allclose(precision, [2 / 3, 1 / 2, 0, 0])
    np.testing.assert_allclose(recall, [2 / 3, 1 / 2, 0, 0])


def test_cells_are_counted_beyond_the_range_of_bytes() -> None:
    assert confusion_matrix(np.full(3, 29, np.uint8), np.full(3, 28), 30)[29, 28] == 3


def test_a_score_does_not_depend_on_the_batch_sizes() -> None:
    rng = np.random.default_rng(0)
    network = Network((4, 5, 3), relu, softmax, dtype="float64")
    network.theta[:] = rng.standard_normal(network.theta.size)
    images, labels = rng.standard_normal((23, 4)), rng.integers(0, 3, 23)
    batches = [(images[start : start + 10], np.eye(3)[labels[start : start + 10]]) for start in (0, 10, 20)]
    outputs = network(images)
    found = score(network, batches, softmax_cross_entropy)
    assert (found.images, found.accuracy) == (23, np.mean(outputs.argmax(axis=1) == labels))
    assert found.loss == pytest.approx(-np.log(outputs[np.arange(23), labels]).mean(), rel=1e-12)


def test_the_score_of_no_images_is_not_a_number() -> None:
    assert math.isnan(Score().loss)
    assert math.isnan(Score().accuracy)
