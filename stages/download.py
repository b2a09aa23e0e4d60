"""Bring the four files of the data set, and the names of its classes, to data/raw: downloaded, or the user's own."""

import hashlib
import os
import tempfile
from pathlib import Path

from mnist.data.dataset import CLASS_NAMES, SIDE
from mnist.data.download import fetch
from mnist.data.idx import IdxError, encode_idx, parse_idx
from mnist.data.published import DATASETS, OWN, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, owner_of
from mnist.data.sources import default_sources, user_cache
from mnist.errors import MnistError
from mnist.files import encode_json, load_json, save, sha256_of
from mnist.own import read_own
from mnist.recipe import Recipe
from stages.pipeline import RAW, Workspace, run

OWN_DATA = Path("data/own")
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


def download(recipe: Recipe, _: Workspace) -> None:
    """Write the files that are missing, damaged, or of another data set, and leave the others alone."""
    names, dataset = RAW / CLASS_NAMES, recipe.data.dataset
    imported = load_json(names).get("own", []) if names.exists() else []
    present = {name: sha256_of(RAW / name) for name in FILES if (RAW / name).is_file()}
    reject_foreign(dataset, {name: digest for name, digest in present.items() if digest not in imported})
    if dataset != OWN:
        fetch_published(dataset)
    elif list(present.values()) == imported and not any(OWN_DATA.glob("*train*")):
        # A colleague's clone and DVC's queue have what was imported, and not what it was imported from.
        print(f"{OWN_DATA} holds no data: {RAW} stays as it is")
    else:
        import_own()


def fetch_published(dataset: str) -> None:
    """Download what is missing or damaged."""
    with tempfile.TemporaryDirectory() as scratch:
        sources = default_sources(dataset, os.environ.get("MNIST_MIRROR"), Path(scratch))
        for file, source in fetch(dataset, RAW, sources, user_cache(dataset)):
            print(f"{dataset}, {file.name}: {file.size:,} bytes from {source}")
    save({RAW / CLASS_NAMES: encode_json({"class_names": DATASETS[dataset].class_names})})


def import_own() -> None:
    """Write the user's own data as if they had been downloaded."""
    train, test = read_own(OWN_DATA)
    arrays = (train.images.reshape(-1, SIDE, SIDE), train.labels, test.images.reshape(-1, SIDE, SIDE), test.labels)
    files = dict(zip(FILES, map(encode_idx, arrays), strict=True))
    digests = [hashlib.sha256(data).hexdigest() for data in files.values()]
    names = encode_json({"class_names": train.class_names, "own": digests})
    save({RAW / name: data for name, data in files.items()} | {RAW / CLASS_NAMES: names})
    print(f"{OWN_DATA}: {len(train):,} training images, {len(test):,} test images of {len(train.class_names)} classes")


def reject_foreign(dataset: str, digests: dict[str, str]) -> None:
    """Raise MnistError where one of some files in data/raw (name -> SHA-256) is a whole IDX file of unknown content."""
    for name, digest in digests.items():
        path = RAW / name
        if owner_of(digest) is None and _is_idx(path):
            raise MnistError(
                f"{path}: is not a file of a published data set, and nothing is written over it. If it is yours, move "
                f"the four files to {OWN_DATA} and set data.dataset to own; to have {dataset} again, delete it"
            )


def _is_idx(path: Path) -> bool:
    try:
        parse_idx(path.read_bytes(), path)
    except IdxError:
        return False
    return True


if __name__ == "__main__":
    run(download, __doc__)
