"""Describes the machine that runs the measurements."""

import platform
import re
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mnist.cores import count_cores
from mnist.fingerprint import describe_arithmetic, describe_blas


def describe_machine() -> str:
    """Return processor, cores, kernels and versions in a line."""
    linux = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", linux.read_text()) if linux.exists() else [platform.processor()]
    parts = [*names[:1], f"{count_cores()} cores", f"Python {platform.python_version()}", describe_arithmetic()]
    for peer in ("torch", "jax", "scikit-learn"):
        with suppress(PackageNotFoundError):
            parts.append(f"{peer} {version(peer)}")
    return ", ".join(parts)


def kernels() -> str:
    """Return the name of BLAS's kernels: OPENBLAS_CORETYPE can select kernels for another processor."""
    return "+".join(str(blas["architecture"]) for blas in describe_blas()) or "unknown"
