"""Identifies everything that decides a result: recipe, data, code, versions, and the BLAS that does the arithmetic."""

import hashlib
import os
import platform
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from mnist.recipe import Recipe

# The multiply-adds of a matrix product above which a second core gains more than it costs. With batches of 100 and
# 784 x 100 weights (8 million), a second core saves a fifth of an epoch's time. But if another program uses that core,
# the two threads wait for each other, and an epoch takes seven times as long. Batches of 1000 (78 million) gain nothing
# from it.
_WORTH_SHARING = 90_000_000

# The environment variables with which a user chooses the number of BLAS threads.
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")

_CODE = [
    path
    for name in ("nn/*.py", "data/*.py", "recipe.py", "checked.py", "checkpoint.py")
    for path in sorted(Path(__file__).parent.glob(name))
]


def blas_threads(largest_product: int, shards: int = 1) -> AbstractContextManager[Any]:
    """Return a context in which BLAS uses one thread if the largest product, in multiply-adds, is small.

    BLAS also uses one thread if a batch is split into shards, because the shards keep the cores busy. If one of
    THREAD_VARIABLES is set, the user has chosen the number of threads, and it stays.
    """
    chosen = any(os.environ.get(variable) for variable in THREAD_VARIABLES)
    limits = 1 if (shards > 1 or largest_product < _WORTH_SHARING) and not chosen else None
    context: AbstractContextManager[Any] = threadpoolctl.threadpool_limits(limits, user_api="blas")
    return context


def describe_blas() -> list[dict[str, Any]]:
    """Return the name, version, kernels and number of threads of each loaded BLAS."""
    keys = ("internal_api", "version", "architecture", "num_threads")
    pools = threadpoolctl.threadpool_info()
    return [{key: pool.get(key) for key in keys} for pool in pools if pool["user_api"] == "blas"]


def describe_arithmetic() -> str:
    """Describe in a line the arithmetic that decides the bits of a result on this machine; Python does not matter."""
    blas = ", ".join(
        f"{pool['internal_api']} {pool['version']}, {pool['architecture']} kernels, {pool['num_threads']} threads"
        for pool in describe_blas()
    )
    simd = "/".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", []))
    return f"NumPy {np.__version__} ({simd}), {blas}, {platform.system()} on {platform.machine()}"


def fingerprint(recipe: Recipe, files: Iterable[Path]) -> str:
    """Return a digest of everything that decides a training: two results with the same digest have the same bits.

    `files` are the data, and code outside the package.
    """
    text = f"{recipe.model_dump_json()} {describe_arithmetic()} {digest_code(files)}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def digest_code(files: Iterable[Path]) -> str:
    """Return a digest of the code that a training runs, and of `files`: the data, and code outside the package."""
    digest = hashlib.sha256()
    for path in (*_CODE, *files):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]
