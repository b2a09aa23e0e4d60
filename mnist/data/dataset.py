"""Images and their labels: reads and checks them, splits them into training and validation set, saves them."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mnist.data.arrays import ByteArray
from mnist.data.idx import parse_idx
from mnist.errors import MnistError
from mnist.files import DamagedFileError, encode_array, load_json, read_file

SIDE = 28
PIXELS = SIDE * SIDE
DIGITS = tuple("0123456789")
"""The names of the classes of a data set that does not name its own."""

CLASS_NAMES = "classes.json"
"""The file beside raw images that lists the names of their classes."""


class DatasetError(MnistError):
    """The files do not hold digits with their labels, or hold too few of them."""


@dataclass(frozen=True)
class Dataset:
    """Images with their labels and the names of the classes; an index chooses some images with their labels."""

    images: ByteArray  # (images, 784), pixels 0..255, row by row
    labels: ByteArray  # (images,), the number of each image's class
    class_names: tuple[str, ...] = DIGITS

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, chosen: slice | NDArray[np.bool_] | NDArray[np.int64]) -> "Dataset":
        return Dataset(self.images[chosen], self.labels[chosen], self.class_names)


def read_raw(images: Path, labels: Path) -> Dataset:
    """Return the images and labels of two IDX files, with the class names from the file CLASS_NAMES if there is one.

    Raises DatasetError if the images are not 28 x 28, the counts differ, or a label has no class; IdxError if a file is
    not IDX; DamagedFileError if the class names are damaged; OSError if a file cannot be read.
    """
    names = images.with_name(CLASS_NAMES)
    class_names = tuple(map(str, load_json(names)["class_names"])) if names.exists() else DIGITS
    pixels, digits = read_idx(images, labels)
    if digits.max() >= len(class_names):
        where = int(np.argmax(digits >= len(class_names)))
        raise DatasetError(f"{labels}: label {where} is {digits[where]}, not a class 0..{len(class_names) - 1}")
    return Dataset(pixels, digits, class_names)


def read_idx(images: Path, labels: Path) -> tuple[ByteArray, ByteArray]:
    """Return the pixels (images, 784) and the labels (images,) of two IDX files; raises as `read_raw`."""
    pixels, digits = (parse_idx(read_file(path), path) for path in (images, labels))
    if pixels.shape[1:] != (SIDE, SIDE):
        raise DatasetError(f"{images}: should hold images of {SIDE} x {SIDE} pixels, but has shape {pixels.shape}")
    if digits.shape != pixels.shape[:1]:
        raise DatasetError(f"{labels}: has shape {digits.shape}, but {images} holds {len(pixels)} images")
    return pixels.reshape(-1, PIXELS), digits


def stratified_split(dataset: Dataset, count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose `count` images at random, from each class in proportion to its size.

    Returns an array of bool, shape (images,): True for the chosen images. Raises DatasetError if none would be left.
    """
    labels = dataset.labels
    if count >= len(labels):
        raise DatasetError(
            f"data.validation = {count}: should leave some of the {len(labels)} training images to train on"
        )
    sizes = np.bincount(labels, minlength=len(dataset.class_names))
    exact = sizes * count / len(labels)
    shares = exact.astype(int)
    # Largest remainders: rounding down leaves images over, which go to the classes that lost most by the rounding.
    shares[np.argsort(shares - exact, kind="stable")[: count - shares.sum()]] += 1
    chosen = np.zeros(len(labels), bool)
    for digit, share in enumerate(shares):
        chosen[rng.permutation(np.flatnonzero(labels == digit))[:share]] = True
    return chosen


class Prepared(NamedTuple):
    """The data that training needs; `offset` and `scale` belong to the fitted normalisation."""

    training: Dataset
    validation: Dataset
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]


def encode_prepared(prepared: Prepared) -> bytes:
    """Return the .npz file of prepared data: the same bytes for the same data."""
    arrays = {
        "training_images": prepared.training.images,
        "training_labels": prepared.training.labels,
        "validation_images": prepared.validation.images,
        "validation_labels": prepared.validation.labels,
        "class_names": np.array(prepared.training.class_names),
        "offset": prepared.offset,
        "scale": prepared.scale,
    }
    file = io.BytesIO()
    # np.savez would use a variant of zip that Python before 3.11.4 wrote differently.
    with zipfile.ZipFile(file, "w") as archive:
        for name, values in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), encode_array(values))
    return file.getvalue()


def load_prepared(path: Path) -> Prepared:
    """Return the data of a file that `encode_prepared` made.

    Raises DamagedFileError if the file holds anything else (its checksums reveal a single flipped bit), and OSError if
    it cannot be read.
    """
    data = read_file(path)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            # NumPy reads no further than the header says, so a damaged header could hide damage from zipfile.
            if damaged := arrays.zip.testzip():
                raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")
            class_names = tuple(arrays["class_names"].tolist())
            training, validation = (
                Dataset(arrays[f"{name}_images"], arrays[f"{name}_labels"], class_names)
                for name in ("training", "validation")
            )
            return Prepared(training, validation, arrays["offset"], arrays["scale"])
    # These are all the errors of a damaged file: this project wrote it, and its checksums have been verified.
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError, RuntimeError) as error:
        raise DamagedFileError(f"{path}: is damaged ({error}); `dvc repro` makes it again") from error
