"""Data sets: faults of files named, the split's exact shares, prepared files, one-hot rows, batches."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mnist import dataset, idx
from mnist.arrays import ByteArray
from mnist.dataset import (
    ORDERS,
    Dataset,
    DatasetError,
    check_raw,
    load_prepared,
    one_hot,
    raw_chunks,
    read_raw,
    save_prepared,
    stratified_split,
)
from mnist.errors import MnistError
from mnist.files import save_array
from mnist.idx import IdxError

COUNT = 25
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28), dtype=np.uint8)
LABELS = (np.arange(COUNT) % 10).astype(np.uint8)
FLAT = IMAGES.reshape(COUNT, 784)

COUNTS, BATCH_SIZES = st.integers(1, 50), st.integers(1, 60)
SOME_LABELS = st.integers(1, 200).flatmap(lambda n: arrays(np.uint8, n, elements=st.integers(0, 9)))


def write_raw(folder: Path, images: ByteArray = IMAGES, labels: ByteArray = LABELS) -> tuple[Path, Path]:
    paths = folder / "images", folder / "labels"
    for path, values in zip(paths, (images, labels), strict=True):
        path.write_bytes(idx.encode(values))
    return paths


def test_raw_files_are_checked_and_read(tmp_path: Path) -> None:
    paths = write_raw(tmp_path)
    assert check_raw(*paths) == COUNT
    digits = read_raw(*paths)
    assert len(digits) == COUNT
    np.testing.assert_array_equal(digits.images, FLAT, strict=True)
    np.testing.assert_array_equal(digits.labels, LABELS, strict=True)


@pytest.mark.parametrize(
    ("images", "labels", "fault"),
    [
        (IMAGES[:, :27], LABELS, r"/images: should hold images of 28 x 28 pixels, but has shape \(25, 27, 28\)"),
        (FLAT, LABELS, r"/images: should hold images of 28 x 28 pixels, but has shape \(25, 784\)"),
        (LABELS, LABELS, r"/images: should hold images of 28 x 28 pixels, but has shape \(25,\)"),
        (IMAGES, LABELS[:-1], r"/labels: has shape \(24,\), but .*/images holds 25 images"),
        (IMAGES, IMAGES, r"/labels: has shape \(25, 28, 28\), but .*/images holds 25 images"),
        (IMAGES, np.where(np.arange(COUNT) == 7, 10, LABELS).astype(np.uint8), "/labels: label 7 is 10, not a digit"),
    ],
)
def test_raw_files_that_do_not_fit_are_refused_by_name(
    images: ByteArray, labels: ByteArray, fault: str, tmp_path: Path
) -> None:
    paths = write_raw(tmp_path, images, labels)
    for use in (check_raw, read_raw):
        with pytest.raises(DatasetError, match=fault):
            use(*paths)


def test_raw_files_that_are_not_idx_are_refused(tmp_path: Path) -> None:
    images, labels = write_raw(tmp_path)
    images.write_bytes(images.read_bytes()[:-1])
    with pytest.raises(IdxError, match="images: has 19615 bytes"):
        check_raw(images, labels)


@pytest.mark.parametrize("chunk", [1, 10, COUNT, 1000])
def test_raw_chunks_are_the_chosen_images_in_file_order(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "_CHUNK", chunk)
    images, _ = write_raw(tmp_path)
    for chosen in (LABELS % 3 == 0, np.ones(COUNT, bool), np.zeros(COUNT, bool)):
        np.testing.assert_array_equal(np.concatenate(list(raw_chunks(images, chosen))), FLAT[chosen], strict=True)


@settings(max_examples=300)
@given(SOME_LABELS, st.data())
def test_a_split_takes_exactly_so_many_and_of_each_class_its_share(labels: ByteArray, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(labels) - 1))
    chosen = stratified_split(labels, count, np.random.default_rng(0))
    assert chosen.dtype == bool
    assert chosen.shape == labels.shape
    assert chosen.sum() == count
    # In whole numbers: |share - size * count / n| < 1.
    difference = np.bincount(labels[chosen], minlength=10) * len(labels) - np.bincount(labels, minlength=10) * count
    assert (np.abs(difference) < len(labels)).all()


def test_a_split_is_the_generators_choice_and_nothing_elses() -> None:
    labels = np.random.default_rng(0).integers(0, 10, 1000, dtype=np.uint8)
    first, again, other = (stratified_split(labels, 100, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_split_of_none_is_empty() -> None:
    assert not stratified_split(LABELS, 0, np.random.default_rng(0)).any()


@pytest.mark.parametrize("count", [COUNT, COUNT + 1, 10**30])
def test_a_split_that_leaves_nothing_to_train_on_is_refused(count: int) -> None:
    with pytest.raises(DatasetError, match=f"validation = {count}: there are only 25 training images"):
        stratified_split(LABELS, count, np.random.default_rng(0))


@pytest.mark.parametrize("count", [0, 1, COUNT])
@pytest.mark.parametrize("rows", [1, 10, COUNT])
def test_prepared_files_come_back_exactly(count: int, rows: int, tmp_path: Path) -> None:
    whole = Dataset(FLAT[:count], LABELS[:count])
    save_prepared(tmp_path, "train", (chunk.images for chunk in whole.chunks(rows)), whole.labels)
    loaded = load_prepared(tmp_path, "train")
    np.testing.assert_array_equal(loaded.images, whole.images, strict=True)
    np.testing.assert_array_equal(loaded.labels, whole.labels, strict=True)


@pytest.mark.parametrize("name", ["train_images.npy", "train_labels.npy"])
@pytest.mark.parametrize("length", [0, 5, 60, -1])
def test_a_prepared_file_that_is_cut_off_is_refused_by_name(name: str, length: int, tmp_path: Path) -> None:
    save_prepared(tmp_path, "train", [FLAT], LABELS)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:length])
    with pytest.raises(MnistError, match=rf"{name}: is damaged"):
        load_prepared(tmp_path, "train")


@pytest.mark.parametrize(
    ("name", "values", "fault"),
    [
        ("images", FLAT.astype(float), r"should hold uint8 \(images, 784\), not float64 \(25, 784\)"),
        ("images", IMAGES, r"should hold uint8 \(images, 784\), not uint8 \(25, 28, 28\)"),
        ("images", FLAT[:, 1:], r"should hold uint8 \(images, 784\), not uint8 \(25, 783\)"),
        ("labels", LABELS[1:], r"should hold 25 uint8, not uint8 \(24,\)"),
        ("labels", LABELS.astype(np.int64), r"should hold 25 uint8, not int64 \(25,\)"),
        ("labels", LABELS + np.uint8(1), "label 9 is 10, not a digit"),
    ],
)
def test_prepared_files_that_do_not_fit_are_refused_by_name(
    name: str, values: ByteArray, fault: str, tmp_path: Path
) -> None:
    save_prepared(tmp_path, "train", [FLAT], LABELS)
    save_array(tmp_path / f"train_{name}.npy", values)
    with pytest.raises(DatasetError, match=rf"train_{name}\.npy: {fault}"):
        load_prepared(tmp_path, "train")


@pytest.mark.parametrize("size", [1, 10, COUNT, 1000])
def test_chunks_make_up_the_data_set_in_order(size: int) -> None:
    chunks = list(Dataset(FLAT, LABELS).chunks(size))
    assert max(map(len, chunks)) == min(size, COUNT)
    np.testing.assert_array_equal(np.concatenate([chunk.images for chunk in chunks]), FLAT)
    np.testing.assert_array_equal(np.concatenate([chunk.labels for chunk in chunks]), LABELS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_hot_rows_have_one_1_at_their_class(dtype: str) -> None:
    rows = one_hot(LABELS, dtype)
    assert rows.dtype == dtype
    assert rows.shape == (COUNT, 10)
    np.testing.assert_array_equal(rows.argmax(axis=1), LABELS)
    np.testing.assert_array_equal(np.sort(rows, axis=1), np.tile(np.eye(10)[9], (COUNT, 1)))


def batches(order: str, count: int, batch_size: int, seed: int = 0) -> list[list[int]]:
    """Return the numbers of the images in each batch."""
    chosen = ORDERS[order](count, batch_size, np.random.default_rng(seed)).tolist()
    return [chosen[start : start + batch_size] for start in range(0, len(chosen), batch_size)]


@given(COUNTS, BATCH_SIZES, st.integers(0, 2**32))
def test_shuffled_batches_take_each_image_once(count: int, batch_size: int, seed: int) -> None:
    *full, last = batches("shuffled", count, batch_size, seed)
    assert [len(batch) for batch in full] == [batch_size] * ((count - 1) // batch_size)
    assert sorted(sum(full, last)) == list(range(count))


def test_shuffled_batches_are_the_generators_choice_and_nothing_elses() -> None:
    assert batches("shuffled", 100, 7, seed=1) == batches("shuffled", 100, 7, seed=1)
    assert batches("shuffled", 100, 7, seed=1) != batches("shuffled", 100, 7, seed=2)


def test_each_epoch_is_shuffled_anew() -> None:
    rng = np.random.default_rng(0)
    first, second = (ORDERS["shuffled"](100, 100, rng).tolist() for _ in range(2))
    assert first != second


@given(COUNTS, BATCH_SIZES)
def test_batches_in_file_order_are_full_and_drop_the_rest(count: int, batch_size: int) -> None:
    full = count // batch_size
    assert batches("file", count, batch_size) == np.arange(full * batch_size).reshape(full, batch_size).tolist()


@given(st.integers(1, 120_000), st.integers(0, 5))
@settings(max_examples=25)
def test_shuffling_by_blocks_takes_each_image_once(count: int, seed: int) -> None:
    order = ORDERS["shuffled_blocks"](count, 100, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.sort(order), np.arange(count))


def test_shuffling_by_blocks_has_no_more_than_fifty_blocks_open_and_mixes_them() -> None:
    order = ORDERS["shuffled_blocks"](200_000, 100, np.random.default_rng(0))
    pools = order.reshape(4, 50_000)
    assert [len(np.unique(pool // 1000)) for pool in pools] == [50] * 4
    # Batches are as mixed as they can be: a hundred images of some forty blocks, from all over the file.
    assert min(len(np.unique(batch // 1000)) for batch in order.reshape(-1, 100)) > 30
    assert all(np.ptp(pool) > 150_000 for pool in pools)


def test_shuffling_a_small_file_by_blocks_is_shuffling() -> None:
    order = ORDERS["shuffled_blocks"](50_000, 100, np.random.default_rng(0))
    assert abs(np.corrcoef(order, np.arange(50_000))[0, 1]) < 0.02
