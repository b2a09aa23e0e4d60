"""First weights: the variance that each rule promises, from the generator alone."""

import numpy as np
import pytest

from mnist.initializers import INITIALIZERS


@pytest.mark.parametrize(
    ("name", "variance"), [("lecun_normal", 1 / 784), ("he_normal", 2 / 784), ("standard_normal", 1.0)]
)
def test_weights_have_mean_zero_and_the_promised_variance(name: str, variance: float) -> None:
    weights = INITIALIZERS[name](np.random.default_rng(0), 784, 300)
    assert weights.shape == (784, 300)
    # The mean of n such numbers has deviation sqrt(variance / n), their variance one of variance * sqrt(2 / n).
    assert abs(weights.mean()) < 4 * np.sqrt(variance / weights.size)
    assert weights.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / weights.size))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_weights_follow_from_the_generator(name: str) -> None:
    first, same, other = (INITIALIZERS[name](np.random.default_rng(seed), 5, 4) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)
