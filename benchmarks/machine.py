"""Describes the machine that runs the measurements, and saves their results with this description."""

import platform
import re
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from mnist.cores import count_cores
from mnist.fingerprint import describe_arithmetic, describe_blas
from studies.results import save_rows

RESULTS = Path("benchmarks/results")


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


def save_results(name: str, rows: Sequence[NamedTuple], **evidence: Any) -> None:
    """Write rows to benchmarks/results/NAME.csv, and the machine and other `evidence` to NAME.json."""
    save_rows(RESULTS / f"{name}.csv", rows, machine=describe_machine(), **evidence)
    print(f"{RESULTS}/{name}.csv; `python -m benchmarks.publish` puts it into the docs")
