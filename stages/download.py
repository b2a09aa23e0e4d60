"""Bring the four files of the data set, and the names of its classes, to data/raw: downloaded, or the user's own."""

import hashlib
import os
import tempfile
from contextlib import suppress
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


def download(recipe: Recipe, _: Workspace) -> None:
    """Write the files that are missing, damaged, or of another data set, and leave the others alone."""
    reject_foreign(recipe.data.dataset)
    if recipe.data.dataset == OWN:
        import_own()
        return
    published = DATASETS[recipe.data.dataset]
    with tempfile.TemporaryDirectory() as scratch:
        dataset = recipe.data.dataset
        sources = default_sources(dataset, os.environ.get("MNIST_MIRROR"), Path(scratch))
        for file, source in fetch(dataset, RAW, sources, user_cache(dataset)):
            print(f"{dataset}, {file.name}: {file.size:,} bytes from {source}")
    save({RAW / CLASS_NAMES: encode_json({"class_names": published.class_names})})


def import_own() -> None:
    """Write the user's own data as if they had been downloaded."""
    train, test = read_own(OWN_DATA)
    files = {
        TRAIN_IMAGES: encode_idx(train.images.reshape(-1, SIDE, SIDE)),
        TRAIN_LABELS: encode_idx(train.labels),
        TEST_IMAGES: encode_idx(test.images.reshape(-1, SIDE, SIDE)),
        TEST_LABELS: encode_idx(test.labels),
    }
    contents = {RAW / name: data for name, data in files.items()}
    digests = [hashlib.sha256(data).hexdigest() for data in files.values()]
    save(contents | {RAW / CLASS_NAMES: encode_json({"class_names": train.class_names, "own": digests})})
    print(f"{OWN_DATA}: {len(train):,} training images, {len(test):,} test images of {len(train.class_names)} classes")


def reject_foreign(dataset: str) -> None:
    """Raise MnistError where a user put IDX files into data/raw that this stage would replace."""
    names = RAW / CLASS_NAMES
    own = load_json(names).get("own", []) if names.exists() else []
    for path in (RAW / name for name in (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)):
        if path.is_file() and (digest := sha256_of(path)) not in own and owner_of(digest) is None:
            with suppress(IdxError):
                parse_idx(path.read_bytes(), path)
                raise MnistError(
                    f"{path}: is not a file of a published data set, and nothing is written over it. If it is yours, "
                    f"move the four files to {OWN_DATA} and set data.dataset = own; to have {dataset} again, delete it"
                )


if __name__ == "__main__":
    run(download, __doc__)
