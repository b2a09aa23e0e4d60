"""Bring the four files of the data set to data/raw, from the first source that has them."""

import os
import tempfile
from pathlib import Path

from mnist.data.download import fetch
from mnist.data.sources import default_sources, user_cache
from mnist.recipe import Recipe
from stages.pipeline import RAW, Workspace, run


def download(recipe: Recipe, _: Workspace) -> None:
    """Fetch the files that are missing or damaged, and leave the others alone."""
    dataset = recipe.data.dataset
    with tempfile.TemporaryDirectory() as scratch:
        sources = default_sources(dataset, os.environ.get("MNIST_MIRROR"), Path(scratch))
        for file, source in fetch(dataset, RAW, sources, user_cache(dataset)):
            print(f"{dataset}, {file.name}: {file.size:,} bytes from {source}")


if __name__ == "__main__":
    run(download, __doc__)
