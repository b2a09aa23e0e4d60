"""Schedules of the learning rate: where they begin and end, and the values between."""

import pytest

from tests.helpers import TABLES

SCHEDULES = TABLES["schedule"]

FACTORS = {"constant": [1, 1, 1, 1], "linear": [1, 0.75, 0.5, 0], "cosine": [1, 0.8535533905932737, 0.5, 0]}


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_at_the_start_a_quarter_the_middle_and_the_end(name: str) -> None:
    assert [SCHEDULES[name](progress) for progress in (0, 0.25, 0.5, 1)] == pytest.approx(FACTORS[name], abs=1e-15)
