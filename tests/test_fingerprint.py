"""What the arithmetic runs on: told in plain values, and one BLAS thread where more would not pay."""

import json

import numpy as np
import pytest
import threadpoolctl

from mnist.environment import THREAD_VARIABLES, blas_threads, describe_environment


def threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]


def test_the_environment_is_told_in_values_that_json_knows() -> None:
    environment = describe_environment()
    assert json.loads(json.dumps(environment)) == environment
    assert environment["numpy"] == np.__version__
    assert [blas["num_threads"] for blas in environment["blas"]] == threads()


def test_small_products_keep_to_one_thread_and_large_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in THREAD_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    before = threads()
    with blas_threads(100 * 784 * 100):
        assert threads() == [1] * len(before)
    assert threads() == before
    with blas_threads(1000 * 1000 * 1000):
        assert threads() == before


@pytest.mark.parametrize("variable", THREAD_VARIABLES)
def test_who_has_chosen_a_number_of_threads_keeps_it(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "2")
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = threads()
        with blas_threads(1):
            assert threads() == before
