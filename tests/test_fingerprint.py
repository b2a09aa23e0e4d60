"""The fingerprint changes whenever the bits of a result could change; and the number of BLAS threads."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import threadpoolctl

from mnist import fingerprint as module
from mnist.fingerprint import THREAD_VARIABLES, blas_threads, describe_arithmetic, describe_blas, fingerprint
from tests.helpers import ROOT, recipe


def threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]


def test_a_fingerprint_changes_with_recipe_data_code_and_arithmetic_and_with_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, code = tmp_path / "data", tmp_path / "code.py"
    data.write_bytes(b"data")
    code.write_bytes(b"code")
    first = fingerprint(recipe(), [data])
    assert fingerprint(recipe(), [data]) == first
    assert fingerprint(recipe(eta=0.1), [data]) == first

    found = {first, fingerprint(recipe(eta=0.2), [data]), fingerprint(recipe(deformation={"elastic": 1}), [data])}
    found |= {fingerprint(recipe(), []), fingerprint(recipe(), [data, code])}
    monkeypatch.setattr(module, "_CODE", [*module.__dict__["_CODE"], code])
    found.add(fingerprint(recipe(), [data]))
    code.write_bytes(b"other")
    found.add(fingerprint(recipe(), [data]))
    data.write_bytes(b"datA")
    found.add(fingerprint(recipe(), [data]))
    with threadpoolctl.threadpool_limits(1 if threads() != [1] else 2, user_api="blas"):
        found.add(fingerprint(recipe(), [data]))
    monkeypatch.setattr(np, "__version__", "1.0")
    found.add(fingerprint(recipe(), [data]))
    assert len(found) == 10


def test_the_code_of_a_fingerprint_is_the_network_the_data_and_the_way_from_recipe_to_checkpoint() -> None:
    names = {str(path.relative_to(ROOT / "mnist")) for path in module.__dict__["_CODE"]}
    folders = {f"{folder}/{path.name}" for folder in ("nn", "data") for path in (ROOT / "mnist" / folder).glob("*.py")}
    assert names == folders | {"recipe.py", "checked.py", "checkpoint.py"}


def test_the_arithmetic_is_described_in_a_line() -> None:
    line = describe_arithmetic()
    assert line.startswith(f"NumPy {np.__version__} (")
    assert [blas["num_threads"] for blas in describe_blas()] == threads()
    for blas in describe_blas():
        assert f"{blas['internal_api']} {blas['version']}, {blas['architecture']} kernels" in line


def test_small_products_keep_to_one_thread_and_large_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in THREAD_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = threads()
        with blas_threads(100 * 784 * 100):
            assert threads() == [1] * len(before)
        assert threads() == before
        with blas_threads(1000 * 1000 * 1000):
            assert threads() == before


@pytest.mark.parametrize("variable", THREAD_VARIABLES)
def test_the_users_number_of_threads_is_kept(variable: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "2")
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = threads()
        with blas_threads(1):
            assert threads() == before
