"""What the arithmetic runs on: versions, BLAS, threads, processor, which decide the last bits of a result."""

import platform
from typing import Any

import numpy as np
import threadpoolctl


def describe_environment() -> dict[str, Any]:
    """Return, in plain values, what two machines may differ in when they give different bits."""
    blas = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": platform.system(),
        "machine": platform.machine(),
        "simd": np.show_config(mode="dicts")["SIMD Extensions"].get("found", []),
        "blas": [
            {key: pool.get(key) for key in ("internal_api", "version", "architecture", "num_threads")} for pool in blas
        ],
    }
