"""Bring the four files of the data set to data/raw, from the first source that has them."""

import os
import tempfile
from pathlib import Path

from mnist.hyperparameters import Hyperparameters
from mnist.sources import default_sources, fetch, user_cache
from stages.command import RAW, Workspace, run


def download(parameters: Hyperparameters, _: Workspace) -> None:
    """Fetch what is missing or wrong; files that are right are left alone."""
    with tempfile.TemporaryDirectory() as scratch:
        sources = default_sources(parameters.dataset, os.environ.get("MNIST_MIRROR"), Path(scratch))
        for file, source in fetch(parameters.dataset, RAW, sources, user_cache(parameters.dataset)):
            print(f"{parameters.dataset}, {file.name}: {file.size:,} bytes from {source}")


if __name__ == "__main__":
    run(download, __doc__)
