"""What the measurements ran on, in a line or two for people."""

import importlib.metadata
import os
import platform
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
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{_processor()}, {cores} cores, {kernels()} kernels; Python {platform.python_version()}, {', '.join(versions)}"
    )


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
