"""What the arithmetic runs on: versions, BLAS, threads, processor, which decide the last bits of a result."""

import os
import platform
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import threadpoolctl

# Multiply-adds in a matrix product from which on a second core gains more than it costs. Batches of 100 times 784 x 100
# weights (8 million) gain a fifth of an epoch's time from it; where another program wants the core too, the two threads
# wait for each other, and an epoch takes seven times as long. Batches of 1000 (78 million): 0.29 s an epoch with one
# thread, 0.25 to 0.36 s with two, beside nothing but the thread that fetches images.
_WORTH_SHARING = 90_000_000

# By these a user tells BLAS how many threads to use.
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def blas_threads(largest_product: int) -> AbstractContextManager[Any]:
    """Return a context in which BLAS keeps to one thread where the products are too small to be shared.

    Who has set one of THREAD_VARIABLES has chosen, and nothing is changed.

    Parameters
    ----------
    largest_product : int
        Multiply-adds of the largest matrix product.
    """
    chosen = any(os.environ.get(variable) for variable in THREAD_VARIABLES)
    limits = 1 if largest_product < _WORTH_SHARING and not chosen else None
    context: AbstractContextManager[Any] = threadpoolctl.threadpool_limits(limits, user_api="blas")
    return context


def describe_environment() -> dict[str, Any]:
    """Return, in plain values, what two machines may differ in when they give different bits: not Python."""
    blas = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    return {
        "numpy": np.__version__,
        "system": platform.system(),
        "machine": platform.machine(),
        "simd": np.show_config(mode="dicts")["SIMD Extensions"].get("found", []),
        "blas": [
            {key: pool.get(key) for key in ("internal_api", "version", "architecture", "num_threads")} for pool in blas
        ],
    }
