"""Normalisation: each rule against its definition in NumPy."""

import numpy as np
import pytest

from mnist.data.normalisation import Normalisation, Standardize, Unit
from tests.helpers import TABLES

NORMALIZERS = TABLES["data.normalize"]

IMAGES = np.random.default_rng(0).integers(0, 200, (30, 784), dtype=np.uint8)
# The training images after each of them.
DEFINITIONS = {"unit": IMAGES / 255, "standardize": (IMAGES - IMAGES.mean()) / IMAGES.std()}


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-12)])
@pytest.mark.parametrize("name", NORMALIZERS)
def test_images_become_what_the_definition_says(name: str, dtype: str, tolerance: float) -> None:
    normalisation, out = NORMALIZERS[name].fit(IMAGES), np.empty(IMAGES.shape, dtype)
    assert normalisation(IMAGES, out) is out
    np.testing.assert_allclose(out, DEFINITIONS[name], atol=tolerance)
    assert normalisation.offset.shape == normalisation.scale.shape == ()


def test_images_of_one_grey_stay_finite() -> None:
    grey = np.full((3, 784), 7, np.uint8)
    np.testing.assert_array_equal(Standardize.fit(grey)(grey, np.empty(grey.shape)), np.zeros((3, 784)))


def test_the_base_leaves_pixels_as_they_are() -> None:
    np.testing.assert_array_equal(Normalisation.fit(IMAGES)(IMAGES, np.empty(IMAGES.shape)), IMAGES)


def test_an_array_has_an_offset_and_a_scale_for_each_position() -> None:
    rng = np.random.default_rng(1)
    for shape in ((784,), (30, 784), (30, 1)):
        offset, scale = rng.uniform(0, 9, shape), rng.uniform(1, 2, shape)
        found = Unit(offset, scale)(IMAGES, np.empty(IMAGES.shape))
        np.testing.assert_allclose(found, (IMAGES - offset) * scale, rtol=1e-14)


@pytest.mark.parametrize("name", NORMALIZERS)
def test_predictions_use_the_same_map_as_training(name: str) -> None:
    normalisation = NORMALIZERS[name].fit(IMAGES)
    assert normalisation.for_prediction == Normalisation(normalisation.offset, normalisation.scale)
