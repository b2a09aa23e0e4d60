"""Bring the four files of MNIST to data/raw, from the first source that has them."""

import os
import tempfile
from pathlib import Path

from mnist.hyperparameters import Hyperparameters
from mnist.sources import default_sources, fetch, user_cache
from stages.command import RAW, Workspace, run


def download(_: Hyperparameters, __: Workspace) -> None:
    """Fetch what is missing or wrong; files that are right are left alone."""
    with tempfile.TemporaryDirectory() as scratch:
        sources = default_sources(os.environ.get("MNIST_MIRROR"), Path(scratch))
        for file, source in fetch(RAW, sources, user_cache()):
            print(f"{file.name}: {file.size:,} bytes from {source}")


if __name__ == "__main__":
    run(download, __doc__)
