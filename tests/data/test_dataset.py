"""Data sets: errors name the fault of a raw file, a split has exact shares, damage to prepared data is found."""

import contextlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mnist.data.arrays import ByteArray
from mnist.data.dataset import (
    Dataset,
    DatasetError,
    Prepared,
    encode_prepared,
    load_prepared,
    read_raw,
    stratified_split,
)
from mnist.data.idx import IdxError, encode_idx
from mnist.files import DamagedFileError
from tests.helpers import random_digits

COUNT = 25
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28), dtype=np.uint8)
LABELS = (np.arange(COUNT) % 10).astype(np.uint8)
FLAT = IMAGES.reshape(COUNT, 784)
SOME_LABELS = st.integers(1, 200).flatmap(lambda n: arrays(np.uint8, n, elements=st.integers(0, 9)))

# More images than zipfile reads at a time.
PREPARED = Prepared(random_digits(60), random_digits(2, seed=1), np.array(0.25), np.array(1 / 255))
ENCODED = encode_prepared(PREPARED)


def of_labels(labels: ByteArray) -> Dataset:
    return Dataset(np.zeros((len(labels), 784), np.uint8), labels)


def write_raw(folder: Path, images: ByteArray = IMAGES, labels: ByteArray = LABELS) -> tuple[Path, Path]:
    paths = folder / "images", folder / "labels"
    for path, values in zip(paths, (images, labels), strict=True):
        path.write_bytes(encode_idx(values))
    return paths


def test_raw_files_are_read(tmp_path: Path) -> None:
    digits = read_raw(*write_raw(tmp_path))
    np.testing.assert_array_equal(digits.images, FLAT, strict=True)
    np.testing.assert_array_equal(digits.labels, LABELS, strict=True)
    assert len(digits) == COUNT
    np.testing.assert_array_equal(digits[LABELS == 7].images, FLAT[[7, 17]], strict=True)


@pytest.mark.parametrize(
    ("images", "labels", "fault"),
    [
        (IMAGES[:, :27], LABELS, r"/images: should hold images of 28 x 28 pixels, but has shape \(25, 27, 28\)"),
        (FLAT, LABELS, r"/images: should hold images of 28 x 28 pixels, but has shape \(25, 784\)"),
        (IMAGES, LABELS[:-1], r"/labels: has shape \(24,\), but .*/images holds 25 images"),
        (IMAGES, IMAGES, r"/labels: has shape \(25, 28, 28\), but .*/images holds 25 images"),
        (
            IMAGES,
            np.where(np.arange(COUNT) == 7, 10, LABELS).astype(np.uint8),
            "/labels: label 7 is 10, not a class 0..9",
        ),
    ],
)
def test_raw_files_that_do_not_fit_are_rejected_by_name(
    images: ByteArray, labels: ByteArray, fault: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=fault):
        read_raw(*write_raw(tmp_path, images, labels))


def test_a_raw_file_that_is_cut_off_is_rejected(tmp_path: Path) -> None:
    images, labels = write_raw(tmp_path)
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(IdxError, match="images: has 19615 bytes"):
        read_raw(images, labels)


@settings(max_examples=100)
@given(SOME_LABELS, st.data())
def test_a_split_chooses_the_exact_count_and_the_share_of_each_class(labels: ByteArray, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(labels) - 1))
    chosen = stratified_split(of_labels(labels), count, np.random.default_rng(0))
    assert chosen.dtype == bool
    assert chosen.shape == labels.shape
    assert chosen.sum() == count
    # In whole numbers: |share - size * count / n| < 1.
    difference = np.bincount(labels[chosen], minlength=10) * len(labels) - np.bincount(labels, minlength=10) * count
    assert (np.abs(difference) < len(labels)).all()


def test_the_generator_alone_decides_a_split() -> None:
    labels = np.random.default_rng(0).integers(0, 10, 1000, dtype=np.uint8)
    first, again, other = (stratified_split(of_labels(labels), 100, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("count", [COUNT, COUNT + 1, 10**30])
def test_a_split_that_leaves_nothing_to_train_on_is_rejected(count: int) -> None:
    with pytest.raises(DatasetError, match=f"validation = {count}: should leave some of the 25 training images"):
        stratified_split(of_labels(LABELS), count, np.random.default_rng(0))


def same(found: Prepared, expected: Prepared) -> bool:
    """Return whether two sets of prepared data hold the same arrays, of the same types."""
    a, b = (
        map(np.asarray, [*vars(data.training).values(), *vars(data.validation).values(), *data[2:]])
        for data in (found, expected)
    )
    return all(x.dtype == y.dtype and x.shape == y.shape and (x == y).all() for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a file, shared because Hypothesis does not make a new folder for each example."""
    return tmp_path_factory.mktemp("prepared") / "prepared.npz"


def test_prepared_data_come_back_and_give_the_same_bytes_again(path: Path) -> None:
    for prepared in (PREPARED, PREPARED._replace(validation=random_digits(0), offset=np.zeros((3, 784)))):
        path.write_bytes(encode_prepared(prepared))
        assert same(load_prepared(path), prepared)
        assert encode_prepared(load_prepared(path)) == path.read_bytes()


def test_every_flipped_bit_is_found_or_changes_nothing(path: Path) -> None:
    # The shape of the first array, its entry in the directory at the end, and some of the rest.
    shape, directory = ENCODED.index(b"(60, 784)"), zipfile.ZipFile(io.BytesIO(ENCODED)).start_dir
    places = {*range(shape, shape + 9), *range(directory, directory + 46), *range(0, len(ENCODED), 1499)}
    for place in places:
        for bit in range(8):
            data = bytearray(ENCODED)
            data[place] ^= 1 << bit
            path.write_bytes(data)
            with contextlib.suppress(DamagedFileError):
                assert same(load_prepared(path), PREPARED), (place, bit)


@pytest.mark.parametrize("end", range(0, len(ENCODED), 4000))
def test_prepared_data_that_are_cut_off_are_rejected(path: Path, end: int) -> None:
    path.write_bytes(ENCODED[:end])
    with pytest.raises(DamagedFileError, match=r"prepared\.npz: is damaged \(.*`dvc repro` makes it again"):
        load_prepared(path)


def test_an_archive_without_one_of_the_arrays_is_rejected(path: Path) -> None:
    for missing in ("training_images.npy", "offset.npy"):
        path.write_bytes(ENCODED)
        with zipfile.ZipFile(path) as whole:
            members = {name: whole.read(name) for name in whole.namelist() if name != missing}
        with zipfile.ZipFile(path, "w") as part:
            for name, data in members.items():
                part.writestr(name, data)
        with pytest.raises(DamagedFileError, match="is damaged"):
            load_prepared(path)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_prepared(tmp_path / "prepared.npz")
