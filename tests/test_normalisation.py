"""Normalisation: each rule against its definition, chunk by chunk or all at once."""

from pathlib import Path

import numpy as np
import pytest

from mnist.arrays import ByteArray, FloatArray
from mnist.errors import MnistError
from mnist.files import DamagedFileError, save_array
from mnist.normalisation import NORMALIZERS, Normalisation, identity, load_normalisation, save_normalisation

IMAGES = np.random.default_rng(0).integers(0, 256, (450, 784), dtype=np.uint8)
IMAGES[:, 5] = 0  # a pixel that is never lit
IMAGES[:, 6] = 200  # and one that always is


def apply(normalisation: Normalisation, images: ByteArray) -> FloatArray:
    return normalisation(images, out=np.empty(images.shape))


def test_unit_divides_by_255() -> None:
    np.testing.assert_allclose(apply(NORMALIZERS["unit"]([IMAGES]), IMAGES), IMAGES / 255, rtol=1e-15)


def test_standardize_gives_mean_0_and_deviation_1() -> None:
    normalised = apply(NORMALIZERS["standardize"]([IMAGES]), IMAGES)
    assert normalised.mean() == pytest.approx(0, abs=1e-12)
    assert normalised.std() == pytest.approx(1, abs=1e-12)


def test_standardize_leaves_images_of_one_grey_finite() -> None:
    grey = np.full((3, 784), 7, np.uint8)
    np.testing.assert_array_equal(apply(NORMALIZERS["standardize"]([grey]), grey), np.zeros((3, 784)))


def test_min_max_by_position_takes_each_position_of_full_batches_of_100() -> None:
    batches = IMAGES[:400].reshape(4, 100, 784).astype(float)
    lowest, span = batches.min(axis=0), np.ptp(batches, axis=0)
    span[span == 0] = 1
    normalisation = NORMALIZERS["min_max_by_position"]([IMAGES])
    np.testing.assert_allclose(apply(normalisation, IMAGES[100:200]), (batches[1] - lowest) / span, rtol=1e-15)


def test_min_max_by_position_repeats_over_larger_and_smaller_batches() -> None:
    normalisation = NORMALIZERS["min_max_by_position"]([IMAGES])
    by_hundreds = np.concatenate([apply(normalisation, IMAGES[i : i + 100]) for i in (0, 100)])
    np.testing.assert_array_equal(apply(normalisation, IMAGES[:200]), by_hundreds)
    np.testing.assert_array_equal(apply(normalisation, IMAGES[:30]), by_hundreds[:30])


def test_min_max_by_position_needs_a_full_batch() -> None:
    with pytest.raises(MnistError, match=r"min_max_by_position.*at least 100"):
        NORMALIZERS["min_max_by_position"]([IMAGES[:99]])


@pytest.mark.parametrize("rows", [1, 70, 100, 333])
@pytest.mark.parametrize("name", NORMALIZERS)
def test_images_may_come_in_chunks_of_any_length(name: str, rows: int) -> None:
    whole = NORMALIZERS[name]([IMAGES])
    chunked = NORMALIZERS[name](IMAGES[start : start + rows] for start in range(0, len(IMAGES), rows))
    np.testing.assert_array_equal(chunked.offset, whole.offset)
    np.testing.assert_array_equal(chunked.scale, whole.scale)


def test_identity_changes_nothing() -> None:
    np.testing.assert_array_equal(apply(identity(), IMAGES), IMAGES)


@pytest.mark.parametrize("name", NORMALIZERS)
def test_a_saved_normalisation_comes_back_exactly(name: str, tmp_path: Path) -> None:
    normalisation = NORMALIZERS[name]([IMAGES])
    save_normalisation(tmp_path / "n.npy", normalisation)
    loaded = load_normalisation(tmp_path / "n.npy")
    np.testing.assert_array_equal(loaded.offset, normalisation.offset)
    np.testing.assert_array_equal(loaded.scale, normalisation.scale)


@pytest.mark.parametrize("values", [np.zeros((3, 1, 1)), np.zeros((2, 1, 1), np.float32), np.zeros(2)])
def test_a_file_of_something_else_is_refused_by_name(values: FloatArray, tmp_path: Path) -> None:
    save_array(tmp_path / "n.npy", values)
    with pytest.raises(DamagedFileError, match=r"n\.npy: should hold float64"):
        load_normalisation(tmp_path / "n.npy")
