"""Figures of a network against hand-counted ones."""

import math

import numpy as np
import pytest

from mnist.dataset import Dataset
from mnist.evaluation import (
    EVALUATION_IMAGES,
    Score,
    confusion_matrix,
    examples,
    precision_and_recall,
    predict,
    score,
    worst_mistakes,
)
from mnist.network import Network
from mnist.normalisation import unit
from tests.recipe import random_digits, recipe

NETWORK = Network.initialise(recipe(hidden=[5], dtype="float64"), unit([]), np.random.default_rng(0))


def test_confusion_precision_and_recall_are_the_counted_ones() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2], np.uint8)
    confusion = confusion_matrix(labels, np.array([0, 0, 1, 1, 0, 9]))
    assert confusion.sum() == 6
    np.testing.assert_array_equal(confusion[:2, :2], [[2, 1], [1, 1]])
    assert confusion[2, 9] == 1
    precision, recall = precision_and_recall(confusion)
    np.testing.assert_allclose(precision, [2 / 3, 1 / 2, *[0] * 8])
    np.testing.assert_allclose(recall, [2 / 3, 1 / 2, *[0] * 8])


def test_a_score_is_that_of_all_images_whatever_the_pieces() -> None:
    digits = random_digits(2300)
    whole = score(NETWORK, digits, "softmax_cross_entropy")
    outputs = predict(NETWORK, digits)
    assert whole.images == 2300
    assert whole.accuracy == np.mean(outputs.argmax(axis=1) == digits.labels)
    assert whole.loss == pytest.approx(-np.log(outputs[np.arange(2300), digits.labels]).mean(), rel=1e-12)


def test_the_score_of_no_images_is_not_a_number() -> None:
    assert math.isnan(Score().loss)
    assert math.isnan(Score().accuracy)


def test_worst_mistakes_come_by_the_lead_of_the_wrong_class() -> None:
    outputs = np.array([[0.6, 0.4], [0.3, 0.7], [0.9, 0.1], [0.2, 0.8]])
    labels = np.array([1, 1, 1, 0], np.uint8)
    np.testing.assert_array_equal(worst_mistakes(outputs, labels, 10), [2, 3, 0])
    np.testing.assert_array_equal(worst_mistakes(outputs, labels, 1), [2])
    np.testing.assert_array_equal(worst_mistakes(outputs, np.array([0, 1, 0, 1], np.uint8), 10), [])


def test_a_tie_that_counts_as_wrong_is_a_mistake() -> None:
    np.testing.assert_array_equal(worst_mistakes(np.array([[0.5, 0.5, 0.0]]), np.array([1], np.uint8), 10), [0])


def test_raw_evaluation_leaves_pixels_as_they_are_and_keeps_the_weights() -> None:
    digits = random_digits(10)
    raw = EVALUATION_IMAGES["raw"](NETWORK)
    np.testing.assert_array_equal(raw.forward(digits.images)[0].a, digits.images)
    assert EVALUATION_IMAGES["normalized"](NETWORK) is NETWORK
    bars = (digits.images > 100).astype(np.uint8)
    np.testing.assert_allclose(raw.forward(bars)[-1].a, NETWORK.forward(bars * 255)[-1].a)


def test_examples_are_the_surest_mistakes_and_the_first_right_ones_of_each_cell() -> None:
    labels = np.array([0, 0, 0, 1, 0, 1], np.uint8)
    outputs = np.zeros((6, 10))
    for image, (digit, output) in enumerate([(0, 0.5), (0, 0.9), (1, 0.6), (1, 0.7), (1, 0.8), (0, 0.9)]):
        outputs[image, digit] = output
        outputs[image, labels[image]] = max(outputs[image, labels[image]], 0.1)
    found = examples(outputs, Dataset(random_digits(6).images, labels), 1)
    # Cells in order: 0 as 0 (images 0, 1), 0 as 1 (2, 4), 1 as 0 (5), 1 as 1 (3).
    assert found["number"].tolist() == [0, 4, 5, 3]
    assert found["actual"].tolist() == [0, 0, 1, 1]
    assert found["predicted"].tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(found["output"], [0.5, 0.8, 0.9, 0.7])
    np.testing.assert_allclose(found["output_of_actual"], [0.5, 0.1, 0.1, 0.7])
    np.testing.assert_array_equal(found["image"], random_digits(6).images[[0, 4, 5, 3]])
    assert len(examples(outputs, Dataset(random_digits(6).images, labels), 12)) == 6
