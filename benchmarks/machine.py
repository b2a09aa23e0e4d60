"""What the measurements ran on."""

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

from mnist.fingerprint import describe_arithmetic, describe_blas


def describe_machine() -> str:
    """Return processor, cores, kernels and versions in a line."""
    parts = [_processor(), f"{cores()} cores", f"Python {platform.python_version()}", describe_arithmetic()]
    parts += [f"{peer} {found}" for peer in ("torch", "jax", "scikit-learn") if (found := version(peer))]
    return ", ".join(parts)


def cores() -> int:
    """Return how many cores this process may use; elsewhere than on Linux, how many there are."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def kernels() -> str:
    """Return which kernels BLAS runs: OPENBLAS_CORETYPE chooses others than the processor's own."""
    return "+".join(str(blas["architecture"]) for blas in describe_blas()) or "unknown"


def version(package: str) -> str | None:
    """Return the version of a package, as pip names it, if it is installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
