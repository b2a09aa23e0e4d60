"""Deformation: known moves pixel by pixel, no change at 0, constant mass, each kind up to its limit."""

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist.data.arrays import ByteArray
from mnist.data.dataset import load_prepared
from mnist.data.deformation import Deformation, deform, source_positions
from mnist.nn.arrays import FloatArray
from tests.helpers import random_digits, recipe
from tests.trained import TrainedProject

OFF = Deformation(rotation=0, scaling=0, shear=0, shift=0, elastic=0, smoothness=4)
ON = Deformation(rotation=15, scaling=0.15, shear=0.15, shift=1, elastic=0.8, smoothness=4)
KINDS = ("rotation", "scaling", "shear", "shift", "elastic")
IDENTITY = np.indices((28, 28)).astype(float)
NOISE = random_digits(30).images


def positions(deformation: Deformation, count: int, seed: int = 0) -> Any:
    return source_positions(count, deformation, np.random.default_rng(seed))


def image(**pixels: int) -> Any:
    """Return one image (1, 784), black but for pixels named r3c5=200."""
    square = np.zeros((28, 28), np.uint8)
    for place, value in pixels.items():
        row, column = place[1:].split("c")
        square[int(row), int(column)] = value
    return square.reshape(1, 784)


def resample(images: ByteArray, positions: FloatArray) -> ByteArray:
    """Return the images deformed by one field, (2, 28, 28), instead of by random ones."""
    with patch("mnist.data.deformation.source_positions", return_value=positions[np.newaxis]):
        return deform(images, ON, np.random.default_rng(0))


def test_deformations_of_0_change_nothing() -> None:
    np.testing.assert_array_equal(positions(OFF, 3), np.stack([IDENTITY] * 3))
    np.testing.assert_array_equal(deform(NOISE, OFF, np.random.default_rng(0)), NOISE)
    assert OFF.is_none
    assert not any(replace(OFF, **{kind: 0.1}).is_none for kind in KINDS)


@pytest.mark.parametrize(("rows", "columns"), [(1, 0), (0, -3), (-2, 5), (27, 0), (28, 0), (0, -28), (1000, -1000)])
def test_whole_shifts_move_pixels_and_bring_in_black(rows: int, columns: int) -> None:
    shifted = resample(NOISE, IDENTITY + np.array([rows, columns]).reshape(2, 1, 1)).reshape(-1, 28, 28)
    expected = np.zeros((len(NOISE), 28, 28), np.uint8)
    for row in range(28):
        for column in range(28):
            if 0 <= row + rows < 28 and 0 <= column + columns < 28:
                expected[:, row, column] = NOISE.reshape(-1, 28, 28)[:, row + rows, column + columns]
    np.testing.assert_array_equal(shifted, expected)


def test_interpolation_weights_the_four_neighbours_by_their_distance() -> None:
    # The source position is a quarter of a pixel below and half a pixel to the right: hand-computed parts of 200.
    moved = resample(image(r10c20=200), IDENTITY + np.array([0.25, 0.5]).reshape(2, 1, 1))
    expected = image(r10c20=75, r10c19=75, r9c20=25, r9c19=25)
    np.testing.assert_array_equal(moved, expected)


@pytest.mark.parametrize(("offset", "value"), [(0.5, 128), (0.9375, 16), (1, 0), (1.5, 0)])
def test_pixels_fade_to_black_outside_the_image(offset: float, value: int) -> None:
    white = np.full((1, 784), 255, np.uint8)
    for axis in (0, 1):
        for sign, edge in ((1, -1), (-1, 0)):
            place = IDENTITY.copy()
            place[axis] += sign * offset
            moved = resample(white, place).reshape(28, 28)
            assert (np.take(moved, edge, axis=axis) == value).all()


def test_white_stays_white_and_no_sum_overflows() -> None:
    rng = np.random.default_rng(0)
    inside = np.clip(IDENTITY + rng.uniform(-1, 1, (2, 28, 28)), 0, 27)
    assert (resample(np.full((2, 784), 255, np.uint8), inside) == 255).all()


def test_a_quarter_turn_gives_the_same_image_as_numpy() -> None:
    turned = np.stack([IDENTITY[1], 27 - IDENTITY[0]])
    expected = np.rot90(NOISE.reshape(-1, 28, 28), axes=(1, 2)).reshape(-1, 784)
    np.testing.assert_array_equal(resample(NOISE, turned), expected)


@pytest.mark.parametrize(
    ("changes", "row", "column"),
    [
        ({"shift": 3}, 3, 3),
        # At the corner, 13.5 pixels from the centre in both directions.
        ({"scaling": 0.2}, 0.2 * 13.5, 0.2 * 13.5),
        ({"shear": 0.2}, 0, 0.2 * 13.5),
    ],
)
def test_moves_are_uniform_up_to_their_limit(changes: dict[str, float], row: float, column: float) -> None:
    moved = (positions(replace(OFF, **changes), 2000) - IDENTITY)[:, :, 0, 0]
    for axis, bound in enumerate((row, column)):
        assert np.abs(moved[:, axis]).max() <= bound + 1e-12
        np.testing.assert_allclose(np.abs(moved[:, axis]).mean(), bound / 2, rtol=0.05)
        np.testing.assert_allclose(moved[:, axis].mean(), 0, atol=0.05 * max(bound, 1))
    if row:
        assert abs(np.corrcoef(moved.T)[0, 1]) < 0.1


def test_rotations_turn_all_points_by_one_angle_that_is_uniform_up_to_its_bound() -> None:
    # Column + i row, from the centre: a rotation multiplies it by exp(i angle).
    before, after = (
        field[..., 1, :, :] + 1j * field[..., 0, :, :]
        for field in (IDENTITY - 13.5, positions(replace(OFF, rotation=10), 2000) - 13.5)
    )
    turns = after[:, 0, 0] / before[0, 0]
    np.testing.assert_allclose(after, before * turns[:, np.newaxis, np.newaxis], rtol=1e-9)
    np.testing.assert_allclose(np.abs(turns), 1, rtol=1e-12)
    angles = np.degrees(np.angle(turns))
    assert np.abs(angles).max() <= 10 + 1e-9
    np.testing.assert_allclose(np.abs(angles).mean(), 5, rtol=0.05)
    np.testing.assert_allclose(angles.mean(), 0, atol=0.5)


@pytest.mark.parametrize("smoothness", [2, 20])
def test_elastic_is_the_deviation_of_every_point_and_smoothness_ties_neighbours(smoothness: float) -> None:
    moved = positions(replace(OFF, elastic=1.5, smoothness=smoothness), 4000) - IDENTITY
    np.testing.assert_allclose(moved.std(axis=0), 1.5, rtol=0.06)
    # Smoothing white noise by a Gaussian of deviation s correlates points at distance d by exp(-d^2 / (4 s^2)).
    near = np.mean(moved[:, :, 14, 14] * moved[:, :, 14, 15]) / 1.5**2
    np.testing.assert_allclose(near, np.exp(-1 / (4 * smoothness**2)), atol=0.06)


@given(st.integers(1, 250), st.integers(0, 2**32))
def test_any_number_of_images_keeps_its_order(count: int, seed: int) -> None:
    # Each image has a single grey level, which must not change or mix with the level of another image.
    levels = (np.arange(count) % 250 + 5).astype(np.uint8)
    deformed = deform(np.repeat(levels[:, np.newaxis], 784, axis=1), ON, np.random.default_rng(seed))
    np.testing.assert_array_equal(deformed.max(axis=1), levels)


def test_the_generator_alone_decides() -> None:
    first, again, other = (deform(NOISE, ON, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_images_next_to_each_other_get_different_fields() -> None:
    same = np.repeat(NOISE[:1], 400, axis=0)
    deformed = deform(same, ON, np.random.default_rng(0))
    assert len(np.unique(deformed, axis=0)) == 4
    assert len(np.unique(deformed[:4], axis=0)) == 4


def test_mass_is_kept_within_what_scaling_changes() -> None:
    blob = np.zeros((28, 28))
    blob[8:20, 10:18] = 200
    images = np.repeat(blob.reshape(1, 784).astype(np.uint8), 1000, axis=0)
    kept = deform(images, replace(ON, scaling=0), np.random.default_rng(0)).sum(axis=1) / blob.sum()
    assert abs(kept.mean() - 1) < 0.05
    assert (np.abs(kept - 1) < 0.5).all()
    still = deform(images, replace(OFF, rotation=15, shear=0.15, shift=1), np.random.default_rng(0)).sum(axis=1)
    np.testing.assert_allclose(still / blob.sum(), 1, atol=0.02)


def test_deformations_fade_in_a_straight_line_and_keep_their_smoothness() -> None:
    fading = replace(ON, fading=0.6)
    assert fading.faded(0) == fading
    half = [getattr(fading.faded(0.5), name) for name in (*KINDS, "smoothness")]
    assert half == pytest.approx([10.5, 0.105, 0.105, 0.7, 0.56, 4])
    assert replace(ON, fading=1).faded(1).is_none


def test_deformed_training_images_lift_the_accuracy_on_others(trained: TrainedProject) -> None:
    # 2000 images and 30 epochs: without deformations they are learnt by heart (91%, with them 96%).
    prepared = load_prepared(trained.workspace.prepared)
    few = prepared._replace(training=prepared.training[:2000])
    accuracy = {}
    for elastic in (0, 1):
        deformation = {"rotation": 15 * elastic, "scaling": 0.15 * elastic, "elastic": elastic}
        changes = {"epochs": 30, "batch_size": 100, "weight_decay": 0, "network": {"hidden": [100, 100]}}
        training, batches = recipe(deformation=deformation, **changes).start(few)
        list(training.run(batches, []))
        images, labels = prepared.validation.images, prepared.validation.labels
        outputs = training.network(images.astype("float32") / 255)
        accuracy[elastic] = (outputs.argmax(axis=1) == labels).mean()
    assert accuracy[1] > accuracy[0] + 0.02
