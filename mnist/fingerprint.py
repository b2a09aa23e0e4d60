"""What decides the bits of a result: recipe, data, code, versions, and the BLAS that does the arithmetic."""

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

# Multiply-adds in a matrix product from which on a second core gains more than it costs. Batches of 100 times 784 x 100
# weights (8 million) gain a fifth of an epoch's time from it; where another program wants the core too, the two threads
# wait for each other, and an epoch takes seven times as long. Batches of 1000 (78 million) gain nothing.
_WORTH_SHARING = 90_000_000

# A user chooses the number of BLAS threads with these.
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")

_CODE = [
    path
    for name in ("nn/*.py", "data/*.py", "recipe.py", "checked.py", "checkpoint.py")
    for path in sorted(Path(__file__).parent.glob(name))
]


def blas_threads(largest_product: int, shards: int = 1) -> AbstractContextManager[Any]:
    """Return a context in which BLAS uses one thread where the largest product, in multiply-adds, is small.

    So it does where a batch is cut into shards, which keep the cores busy themselves. Where one of THREAD_VARIABLES is
    set, the user has chosen, and nothing is changed.
    """
    chosen = any(os.environ.get(variable) for variable in THREAD_VARIABLES)
    limits = 1 if (shards > 1 or largest_product < _WORTH_SHARING) and not chosen else None
    context: AbstractContextManager[Any] = threadpoolctl.threadpool_limits(limits, user_api="blas")
    return context


def describe_blas() -> list[dict[str, Any]]:
    """Return the name, version, kernels and number of threads of each BLAS that is loaded."""
    keys = ("internal_api", "version", "architecture", "num_threads")
    pools = threadpoolctl.threadpool_info()
    return [{key: pool.get(key) for key in keys} for pool in pools if pool["user_api"] == "blas"]


def describe_arithmetic() -> str:
    """Return in a line what two machines can differ in when they give different bits: not Python."""
    blas = ", ".join(
        f"{pool['internal_api']} {pool['version']}, {pool['architecture']} kernels, {pool['num_threads']} threads"
        for pool in describe_blas()
    )
    simd = "/".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", []))
    return f"NumPy {np.__version__} ({simd}), {blas}, {platform.system()} on {platform.machine()}"


def fingerprint(recipe: Recipe, files: Iterable[Path]) -> str:
    """Return a digest of all that a training follows from: results with the same one are the same to the bit.

    `files` are the data, and code beside the package's own.
    """
    text = f"{recipe.model_dump_json()} {describe_arithmetic()} {digest_code(files)}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def digest_code(files: Iterable[Path]) -> str:
    """Return a digest of the code that a training runs, and of `files`: data, and code beside the package's own."""
    digest = hashlib.sha256()
    for path in (*_CODE, *files):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]
