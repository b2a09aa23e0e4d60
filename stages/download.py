"""Bring the four files of the data set, and the names of its classes, to data/raw: downloaded, or the user's own."""

import os
import tempfile
from pathlib import Path

from mnist.data.dataset import CLASS_NAMES
from mnist.data.download import fetch
from mnist.data.published import DATASETS, OWN
from mnist.data.sources import default_sources, user_cache
from mnist.files import encode_json, save
from mnist.own import import_own, reject_foreign
from mnist.recipe import Recipe
from stages.pipeline import RAW, Workspace, run

OWN_DATA = Path("data/own")


def download(recipe: Recipe, _: Workspace) -> None:
    """Write the files that are missing, damaged, or of another data set, and leave the others alone."""
    reject_foreign(RAW, recipe.data.dataset, OWN_DATA)
    if recipe.data.dataset == OWN:
        print(import_own(OWN_DATA, RAW))
    else:
        fetch_published(recipe.data.dataset)


def fetch_published(dataset: str) -> None:
    """Download what is missing or damaged."""
    with tempfile.TemporaryDirectory() as scratch:
        sources = default_sources(dataset, os.environ.get("MNIST_MIRROR"), Path(scratch))
        for file, source in fetch(dataset, RAW, sources, user_cache(dataset)):
            print(f"{dataset}, {file.name}: {file.size:,} bytes from {source}")
    save({RAW / CLASS_NAMES: encode_json({"class_names": DATASETS[dataset].class_names})})


if __name__ == "__main__":
    run(download, __doc__)
