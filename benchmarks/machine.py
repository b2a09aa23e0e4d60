"""What the measurements ran on."""

import os
import platform
import re
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mnist.fingerprint import describe_arithmetic, describe_blas


def describe_machine() -> str:
    """Return processor, cores, kernels and versions in a line."""
    linux = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", linux.read_text()) if linux.exists() else [platform.processor()]
    parts = [*names[:1], f"{cores()} cores", f"Python {platform.python_version()}", describe_arithmetic()]
    for peer in ("torch", "jax", "scikit-learn"):
        with suppress(PackageNotFoundError):
            parts.append(f"{peer} {version(peer)}")
    return ", ".join(parts)


def cores() -> int:
    """Return how many cores this process may use; elsewhere than on Linux, how many there are."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def kernels() -> str:
    """Return which kernels BLAS runs: OPENBLAS_CORETYPE chooses others than the processor's own."""
    return "+".join(str(blas["architecture"]) for blas in describe_blas()) or "unknown"
