"""What the measurements ran on, in a line or two for people."""

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

from mnist.environment import describe_environment

_PEERS = ("torch", "jax", "scikit-learn")


def describe_machine() -> str:
    """Return processor, cores, kernels and versions."""
    environment = describe_environment()
    versions = [
        f"NumPy {environment['numpy']}",
        *(f"{blas['internal_api']} {blas['version']}" for blas in environment["blas"]),
    ]
    versions += [f"{package} {version}" for package in _PEERS if (version := _version(package))]
    versions = [f"Python {platform.python_version()}", *versions]
    return f"{_processor()}, {cores()} cores, {kernels()} kernels; {', '.join(versions)}"


def cores() -> int:
    """Return how many cores this process may use; elsewhere than on Linux, how many there are."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def kernels() -> str:
    """Return which kernels BLAS runs: OPENBLAS_CORETYPE chooses others than the processor's own."""
    return "+".join(str(blas["architecture"]) for blas in describe_environment()["blas"]) or "unknown"


def _version(package: str) -> str | None:
    try:
        return f"{importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
