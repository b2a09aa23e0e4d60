"""The score of novelty: its threshold, the images that it flags, and unusual data sets."""

from dataclasses import replace

import numpy as np
import pytest

from mnist.data.dataset import Dataset
from mnist.data.edges import FEATURES, edges
from mnist.data.outliers import draw_outliers, mix_outliers
from mnist.novelty import Novelty, axes_for
from mnist.novelty_training import fit_novelty
from tests.helpers import random_digits, some_novelty

DIGITS, HELD_OUT = random_digits(600), random_digits(300, seed=1)
# What a network that is sure of all images says.
Z = np.tile(np.float32(9) * np.eye(10, dtype=np.float32), (60, 1))


@pytest.fixture(scope="module")
def novelty() -> Novelty:
    return fit_novelty(DIGITS, HELD_OUT.images, Z[:300], np.random.default_rng(0))


def test_one_in_a_hundred_of_the_held_out_images_is_above_1_and_their_mean_is_0(novelty: Novelty) -> None:
    scores = novelty(HELD_OUT.images, Z[:300])
    assert scores.mean() == pytest.approx(0, abs=1e-4)
    assert np.mean(scores > 1) == pytest.approx(0.01, abs=0.005)


def test_drawings_and_images_on_their_side_are_flagged(novelty: Novelty) -> None:
    turned = DIGITS.images.reshape(-1, 28, 28).swapaxes(1, 2).reshape(-1, 784)
    for images in (turned, draw_outliers(200, np.random.default_rng(1)), np.full((1, 784), 255, np.uint8)):
        assert np.mean(novelty(images, Z[: len(images)]) > 1) > 0.9


def test_the_same_seed_gives_the_same_score_on_any_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnist.novelty_training._PART", 150)
    scores = []
    for cores in (1, 3):
        monkeypatch.setattr("mnist.novelty_training.count_cores", lambda cores=cores: cores)
        fitted = fit_novelty(DIGITS, HELD_OUT.images, Z[:300], np.random.default_rng(0))
        scores.append(fitted(HELD_OUT.images, Z[:300]))
    np.testing.assert_array_equal(scores[0], scores[1])


def test_the_distance_equals_that_in_a_gaussian_whose_other_axes_share_a_variance(novelty: Novelty) -> None:
    features = edges(HELD_OUT.images[:5])
    expected = np.full((5, 10), np.inf)
    for number in range(10):
        axes, rest = novelty.axes[number].astype(float), float(novelty.rest[number])
        precision = rest * np.eye(FEATURES) - axes.T @ axes
        assert np.linalg.eigvalsh(precision).min() > 0
        away = features - novelty.means[number]
        expected[:, number] = np.einsum("ni,ij,nj->n", away, precision, away)
    np.testing.assert_allclose(novelty.measure(HELD_OUT.images[:5], Z[:5])[2] ** 2, expected.min(axis=1), rtol=1e-5)


def test_the_score_adds_the_three_measures() -> None:
    novelty, images = some_novelty(), DIGITS.images[:9]
    z = np.random.default_rng(0).standard_normal((9, 10))
    measures = novelty.measure(images, z)
    np.testing.assert_array_equal(measures[0], -z.max(axis=1))
    changed = replace(novelty, factors=np.array([2.0, -3.0, 4.0]), constant=0.5)
    np.testing.assert_allclose(changed(images, z), 2 * measures[0] - 3 * measures[1] + 4 * measures[2] + 0.5)


@pytest.mark.parametrize(
    "dataset",
    [
        Dataset(np.zeros((4, 784), np.uint8), np.array([0, 1, 0, 1], np.uint8), ("a", "b")),
        Dataset(DIGITS.images[:3], np.array([0, 0, 99], np.uint8), tuple(map(str, range(100)))),
    ],
    ids=["all the same", "classes without images"],
)
def test_unusual_data_sets_get_a_finite_score(dataset: Dataset) -> None:
    classes = len(dataset.class_names)
    z = np.ones((len(dataset) + 300, classes), np.float32)
    novelty = fit_novelty(dataset, dataset.images, z[: len(dataset)], np.random.default_rng(0))
    assert np.isfinite(novelty(np.concatenate([dataset.images, HELD_OUT.images]), z)).all()
    assert novelty.axes.shape == (classes, axes_for(classes), FEATURES)


def test_edges_tell_ink_from_its_directions() -> None:
    image = np.zeros((28, 28), np.uint8)
    image[:, 8:20] = 255
    ink, upright, _, lying, _ = edges(image.reshape(1, 784)).reshape(5, 6, 6)
    assert ink[3, 3] > 0.9
    assert ink[3, 0] < 0.2
    assert upright[3, 1:5].min() > 10 * lying[3, 1:5].max()
    np.testing.assert_allclose(edges(image.reshape(1, 784), "float32")[0], edges(image.reshape(1, 784))[0], atol=1e-3)


def test_outliers_are_images_that_differ_and_have_ink() -> None:
    drawings = draw_outliers(1001, np.random.default_rng(0))
    mixtures = mix_outliers(DIGITS.images, np.random.default_rng(0))
    assert (drawings.shape, mixtures.shape) == ((1001, 784), DIGITS.images.shape)
    for images in (drawings, mixtures):
        assert images.dtype == np.uint8
        assert (images.max(axis=1) > 0).all()
        assert len(np.unique(images, axis=0)) > 0.95 * len(images)
