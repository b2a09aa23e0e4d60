"""A user's own data set, in one of three forms, read as images of 28 x 28 pixels with the names of their classes.

A folder holds `train/CLASS/*` with pictures of any kind, or `train.csv`, or `train-images-idx3-ubyte` and
`train-labels-idx1-ubyte`. The test images lie beside them in the same form (`test/`, `test.csv`, `t10k-...`); where
there are none, a sixth of the images is split off.
"""

import csv
import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mnist.data.arrays import ByteArray
from mnist.data.dataset import CLASS_NAMES, PIXELS, SIDE, Dataset, DatasetError, read_idx, stratified_split
from mnist.data.idx import IdxError, encode_idx, parse_idx
from mnist.data.published import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, owner_of
from mnist.errors import MnistError
from mnist.files import encode_json, load_json, save, sha256_of
from mnist.reading.ink import read_digit
from mnist.reading.picture import read_grey

_FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
_MOST_CLASSES = 100
_TEST_SHARE = 6
# The same test images whatever the recipe's seed, so that figures of different seeds can be compared.
_TEST_SEED = 0


class _Part(NamedTuple):
    """Images (images, 784) and the name of each one's class."""

    images: ByteArray
    names: list[str]


def import_own(folder: Path, raw: Path) -> str:
    """Write the data of a folder to `raw` as if they had been downloaded, and say what they are; raises as `read_own`.

    A colleague's clone and DVC's queue have what was imported, and not what it was imported from: it stays.
    """
    if [*_digests(raw).values()] == _imported(raw) and not any(folder.glob("*train*")):
        return f"{folder} holds no data: {raw} stays as it is"
    train, test = read_own(folder)
    arrays = (train.images.reshape(-1, SIDE, SIDE), train.labels, test.images.reshape(-1, SIDE, SIDE), test.labels)
    files = dict(zip(_FILES, map(encode_idx, arrays), strict=True))
    digests = [hashlib.sha256(data).hexdigest() for data in files.values()]
    names = encode_json({"class_names": train.class_names, "own": digests})
    save({raw / name: data for name, data in files.items()} | {raw / CLASS_NAMES: names})
    return f"{folder}: {len(train):,} training images, {len(test):,} test images of {len(train.class_names)} classes"


def reject_foreign(raw: Path, dataset: str, folder: Path) -> None:
    """Raise MnistError where `raw` holds a whole IDX file that was neither published nor imported from `folder`."""
    imported = _imported(raw)
    for name, digest in _digests(raw).items():
        if digest not in imported and owner_of(digest) is None and _is_idx(raw / name):
            raise MnistError(
                f"{raw / name}: is not a file of a published data set, and nothing is written over it. If it is yours, "
                f"move the four files to {folder} and set data.dataset to own; to have {dataset} again, delete it"
            )


def _digests(raw: Path) -> dict[str, str]:
    """Return the SHA-256 of each of the four files that is there."""
    return {name: sha256_of(raw / name) for name in _FILES if (raw / name).is_file()}


def _imported(raw: Path) -> list[str]:
    """Return the SHA-256 of the four files that were imported last, if any were."""
    names = raw / CLASS_NAMES
    digests: list[str] = load_json(names).get("own", []) if names.exists() else []
    return digests


def _is_idx(path: Path) -> bool:
    try:
        parse_idx(path.read_bytes(), path)
    except IdxError:
        return False
    return True


def read_own(folder: Path) -> tuple[Dataset, Dataset]:
    """Return the training and the test images of a folder.

    Raises MnistError, whose text names the file, where one cannot be read, where there are no images, fewer than 2 or
    more than 100 classes, or test images of a class that training lacks; OSError where a file cannot be opened.
    """
    forms: list[tuple[Callable[..., _Part], list[Path], list[Path]]] = [
        (_read_pictures, [folder / "train"], [folder / "test"]),
        (_read_csv, [folder / "train.csv"], [folder / "test.csv"]),
        (_read_idx, [folder / TRAIN_IMAGES, folder / TRAIN_LABELS], [folder / TEST_IMAGES, folder / TEST_LABELS]),
    ]
    found = [form for form in forms if form[1][0].exists()]
    if len(found) != 1:
        kind = "none" if not found else "more than one"
        raise DatasetError(
            f"{folder}: should hold one of train/CLASS/*.png, train.csv, {TRAIN_IMAGES} with {TRAIN_LABELS}; it holds "
            f"{kind} of them (data/own/README.md)"
        )
    ((read, training, test),) = found
    part = read(*training)
    # Numbers in their order, then names in theirs.
    classes = sorted(set(part.names), key=lambda name: (int(name) if name.isdecimal() else math.inf, name))
    if not 2 <= len(classes) <= _MOST_CLASSES:
        raise DatasetError(f"{training[-1]}: has {len(classes)} classes; should have 2 to {_MOST_CLASSES}")
    train = _encode(part, classes, training[-1])
    if test[0].exists():
        return train, _encode(read(*test), classes, test[-1])
    chosen = stratified_split(train, len(train) // _TEST_SHARE, np.random.default_rng(_TEST_SEED))
    for label, name in enumerate(classes):
        if not (train.labels[~chosen] == label).any():
            raise DatasetError(f"{training[-1]}: class {name!r} has too few images to split test images off; add some")
    return train[~chosen], train[chosen]


def _encode(part: _Part, classes: Sequence[str], source: Path) -> Dataset:
    """Return a part with numbers for its class names."""
    numbers = {name: number for number, name in enumerate(classes)}
    if unknown := set(part.names) - numbers.keys():
        raise DatasetError(f"{source}: the class {min(unknown)!r} is not among the training images")
    return Dataset(part.images, np.array([numbers[name] for name in part.names], np.uint8), tuple(classes))


def _read_pictures(folder: Path) -> _Part:
    """Read a folder for each class: pictures of 28 x 28 pixels as they are, others as `mnist predict` reads them."""
    files = [
        path
        for of_class in sorted(folder.iterdir())
        if of_class.is_dir() and not of_class.name.startswith(".")
        for path in sorted(of_class.iterdir())
        if not path.name.startswith(".")
    ]
    if not files:
        raise DatasetError(f"{folder}: there are no pictures in it; it should have a folder of them for each class")
    images: list[ByteArray] = []
    ready: dict[bool, Path] = {}
    for path in files:
        try:
            with path.open("rb") as file:
                grey = read_grey(file)
            ready.setdefault(grey.shape == (SIDE, SIDE), path)
            images.append(np.round(255 * grey).astype(np.uint8) if grey.shape == (SIDE, SIDE) else read_digit(grey))
        except MnistError as error:
            raise DatasetError(f"{path}: {error}") from error
    if len(ready) > 1:
        raise DatasetError(
            f"{ready[True]} has {SIDE} x {SIDE} pixels, {ready[False]} has another size: make all of them {SIDE} x "
            f"{SIDE}, or none"
        )
    return _Part(np.stack(images).reshape(-1, PIXELS), [path.parent.name for path in files])


def _read_csv(path: Path) -> _Part:
    """Read lines of a class and 784 pixels; a first line of column names is skipped."""
    images: list[ByteArray] = []
    names: list[str] = []
    number = 1
    with path.open(encoding="utf-8", newline="") as file:
        try:
            for number, row in enumerate(csv.reader(file), start=1):
                if number == 1 and len(row) > 1 and not row[1].strip().isdecimal():
                    continue
                pixels = np.array(row[1:], np.uint8)
                if pixels.shape != (PIXELS,) or not row[0].strip():
                    raise ValueError("not a label and 784 pixels")
                images.append(pixels)
                names.append(row[0].strip())
        except (ValueError, OverflowError, csv.Error) as error:
            raise DatasetError(
                f"{path}, line {number}: should be a class and {PIXELS} pixels, whole numbers 0..255"
            ) from error
    if not images:
        raise DatasetError(f"{path}: there are no images in it")
    return _Part(np.stack(images), names)


def _read_idx(images: Path, labels: Path) -> _Part:
    """Read two IDX files."""
    pixels, numbers = read_idx(images, labels)
    return _Part(pixels, [str(number) for number in numbers])
