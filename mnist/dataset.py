"""Images and their labels: checked, split into training and validation, kept on disk, one-hot, cut into batches."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnist import idx
from mnist.arrays import ByteArray, FloatArray
from mnist.errors import MnistError
from mnist.files import atomic_write, load_array, save_array

CLASSES = 10
SIDE = 28
PIXELS = SIDE * SIDE

CLASS_NAMES: dict[str, tuple[str, ...]] = {
    "mnist": ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    "fashion-mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
}
"""`dataset` in params.yaml -> what people call its classes, in the order of the labels 0..9."""

# Images that are read, checked or copied at a time: 8 MB, so that memory stays flat however large a file is.
_CHUNK = 10_000

PIECE = 1000
"""Images that `Dataset.chunks` yields at a time."""

# Images in a block, and blocks in a pool, of `shuffled_blocks`: 40 MB that are open at a time.
_BLOCK, _POOL = 1000, 50


class DatasetError(MnistError):
    """Files that do not hold digits with their labels, or too few of them for what is asked."""


@dataclass(frozen=True)
class Dataset:
    """Images with their labels.

    Attributes
    ----------
    images : ByteArray, shape (images, 784)
        Pixels 0..255, row by row.
    labels : ByteArray, shape (images,)
        0..9.
    """

    images: ByteArray
    labels: ByteArray

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def chunks(self, size: int = PIECE) -> Iterator["Dataset"]:
        """Yield the dataset in pieces that bound the memory of whoever works through it, in order."""
        for start in range(0, len(self), size):
            piece = slice(start, start + size)
            yield Dataset(self.images[piece], self.labels[piece])


def prepared_kind(dataset: str) -> str:
    """Return what `prepare` writes of a data set is; another number for another form of the files."""
    return f"prepared {dataset}, format 1"


def check_raw(images: Path, labels: Path) -> int:
    """Check that two IDX files are images with their labels, and return how many there are.

    Raises
    ------
    IdxError
        One of them is not an IDX file.
    DatasetError
        The images are not 28 x 28, the counts differ, or a label is not a digit.
    """
    image_shape, label_shape = idx.read_shape(images), idx.read_shape(labels)
    if image_shape[1:] != (SIDE, SIDE):
        raise DatasetError(f"{images}: should hold images of {SIDE} x {SIDE} pixels, but has shape {image_shape}")
    if label_shape != image_shape[:1]:
        raise DatasetError(f"{labels}: has shape {label_shape}, but {images} holds {image_shape[0]} images")
    _check_labels(idx.read(labels), labels)
    return image_shape[0]


def read_raw(images: Path, labels: Path) -> Dataset:
    """Return the digits of two IDX files; raises as `check_raw` does."""
    count = check_raw(images, labels)
    return Dataset(idx.read(images).reshape(count, PIXELS), idx.read(labels))


def raw_chunks(images: Path, chosen: NDArray[np.bool_]) -> Iterator[ByteArray]:
    """Yield those images (n, 784) of an IDX file for which `chosen` is true, in file order, a chunk at a time."""
    for start, chunk in zip(range(0, len(chosen), _CHUNK), idx.read_chunks(images, _CHUNK), strict=True):
        yield chunk[chosen[start : start + _CHUNK]].reshape(-1, PIXELS)


def stratified_split(labels: ByteArray, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose `count` images at random, each class in its share of the whole.

    Parameters
    ----------
    labels : ByteArray, shape (images,)
        The class of each image.
    count : int
        How many to choose; 0 is allowed.
    rng : numpy.random.Generator
        Chooses which.

    Returns
    -------
    ndarray of bool, shape (images,)
        True for the chosen images.

    Raises
    ------
    DatasetError
        Nothing would be left.
    """
    if count >= len(labels):
        raise DatasetError(
            f"validation = {count}: there are only {len(labels)} training images, and some should be left to train on"
        )
    sizes = np.bincount(labels, minlength=CLASSES)
    exact = sizes * count / len(labels)
    shares = exact.astype(int)
    # Largest remainders: what rounding down left over goes to the classes that lost most by it.
    shares[np.argsort(shares - exact, kind="stable")[: count - shares.sum()]] += 1
    chosen = np.zeros(len(labels), bool)
    for digit, share in enumerate(shares):
        chosen[rng.permutation(np.flatnonzero(labels == digit))[:share]] = True
    return chosen


def save_prepared(folder: Path, name: str, image_chunks: Iterable[ByteArray], labels: ByteArray) -> None:
    """Write a dataset, its images coming in chunks (n, 784) so that memory is bounded by one of them.

    Parameters
    ----------
    folder : Path
        Where `{name}_images.npy` and `{name}_labels.npy` go.
    name : str
        "train" or "validation".
    image_chunks : iterable of ByteArray
        Together as many images as there are labels.
    labels : ByteArray, shape (images,)
        0..9.
    """
    images_file, labels_file = _prepared_files(folder, name)
    with atomic_write(images_file) as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(labels), PIXELS)}
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in image_chunks:
            file.write(chunk.tobytes())
    save_array(labels_file, labels)


def load_prepared(folder: Path, name: str) -> Dataset:
    """Return a dataset that `save_prepared` wrote; its images stay on disk until they are used.

    Raises
    ------
    DamagedFileError
        One of the files is not a .npy file.
    DatasetError
        They hold something else, or do not belong together.
    OSError
        One of them is not there.
    """
    images_file, labels_file = _prepared_files(folder, name)
    images, labels = load_array(images_file), load_array(labels_file)
    if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != PIXELS:
        raise DatasetError(f"{images_file}: should hold uint8 (images, {PIXELS}), not {images.dtype} {images.shape}")
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise DatasetError(f"{labels_file}: should hold {len(images)} uint8, not {labels.dtype} {labels.shape}")
    _check_labels(labels, labels_file)
    return Dataset(images, labels)


def _prepared_files(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}_images.npy", folder / f"{name}_labels.npy"


def one_hot(labels: ByteArray, dtype: str) -> FloatArray:
    """Return a row for each label, 1 at its class and 0 elsewhere, shape (images, 10)."""
    return np.eye(CLASSES, dtype=dtype)[labels]


def _check_labels(labels: ByteArray, path: Path) -> None:
    if labels.size and labels.max() >= CLASSES:
        where = int(np.argmax(labels >= CLASSES))
        raise DatasetError(f"{path}: label {where} is {labels[where]}, not a digit 0..9")


def shuffled(count: int, _: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """All images in an order that `rng` draws; the last batch may be smaller."""
    return rng.permutation(count)


def shuffled_blocks(count: int, _: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """All images, shuffled so that a file larger than memory is read in long stretches.

    Blocks of 1000 neighbouring images are shuffled, and then the images of each 50 blocks that follow one another. Up
    to 50 000 images it is a shuffling like any other.
    """
    blocks = [np.arange(start, min(start + _BLOCK, count)) for start in rng.permutation(range(0, count, _BLOCK))]
    pools = [np.concatenate(blocks[first : first + _POOL]) for first in range(0, len(blocks), _POOL)]
    return np.concatenate([rng.permutation(pool) for pool in pools])


def in_file_order(count: int, batch_size: int, _: np.random.Generator) -> NDArray[np.int64]:
    """Full batches in the order of the file, a partial last one dropped: the notebook's."""
    return np.arange(count - count % batch_size)


ORDERS: dict[str, Callable[[int, int, np.random.Generator], NDArray[np.int64]]] = {
    "shuffled": shuffled,
    "shuffled_blocks": shuffled_blocks,
    "file": in_file_order,
}
"""`order` in params.yaml -> the function (images, batch_size, rng) -> the numbers of an epoch's images, in order."""
