"""Prototypes: a choice of training images that covers each class."""

import numpy as np

from mnist.data.dataset import Dataset
from report.prototypes import choose_prototypes
from tests.helpers import distances, random_digits


def test_prototypes_are_training_images_of_each_class_and_always_the_same() -> None:
    training = random_digits(400)
    prototypes = choose_prototypes(training, 5)
    assert np.unique(prototypes.labels, return_counts=True)[1].max() <= 5
    assert (np.diff(prototypes.labels.astype(int)) >= 0).all()
    nearest = distances(prototypes.images, training.images)
    assert nearest.min(axis=1).max() == 0
    assert (training.labels[nearest.argmin(axis=1)] == prototypes.labels).all()
    np.testing.assert_array_equal(prototypes.images, choose_prototypes(training, 5).images)


def test_each_shape_of_a_class_has_a_prototype() -> None:
    rng = np.random.default_rng(0)
    shapes = rng.integers(0, 200, (4, 784))
    # One shape is rare, and comes late in the file.
    kinds = np.repeat(np.arange(4), [200, 150, 40, 10])
    images = (shapes[kinds] + rng.integers(0, 40, (400, 784))).astype(np.uint8)
    training = Dataset(images, np.ones(400, np.uint8))
    prototypes = choose_prototypes(training, 30)
    assert set(distances(prototypes.images, shapes.astype(np.uint8)).argmin(axis=1)) == {0, 1, 2, 3}


def test_a_class_with_few_images_gives_all_of_them_and_one_without_gives_none() -> None:
    training = random_digits(16)[np.arange(16) != 9]
    prototypes = choose_prototypes(training, 5)
    assert np.bincount(prototypes.labels, minlength=10).tolist() == [2] * 6 + [1] * 3 + [0]
