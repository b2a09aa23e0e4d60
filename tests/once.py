"""Makes a folder that many tests need, once for all processes of a test run."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def make_once(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]) -> Path:
    """Return the folder of this name; the first process that needs it fills it, and others wait until it is full."""
    own = factory.getbasetemp()
    place = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    with FileLock(f"{place}.lock"):
        if not place.exists():
            begun = factory.mktemp(name)
            fill(begun)
            begun.rename(place)
    return place
