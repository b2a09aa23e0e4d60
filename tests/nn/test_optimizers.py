"""The rules of stochastic gradient descent against three updates computed by hand."""

import numpy as np
import pytest

from tests.helpers import TABLES

OPTIMIZERS = TABLES["optimizer"]

# theta begins at 1, the gradients are 1, 2, -1; eta = 0.1, alpha = 0.5.
UPDATES = {
    # v: -0.1; -0.05 - 0.2 = -0.25; -0.125 + 0.1 = -0.025.
    "heavy_ball": [0.9, 0.65, 0.625],
    # The same v; theta moves by alpha v - eta g: -0.05 - 0.1; -0.125 - 0.2; -0.0125 + 0.1.
    "nesterov": [0.85, 0.525, 0.6125],
}
# The same, where each update begins with theta * (1 - 0.1 * 2), which v does not remember.
DECAYED = {
    "heavy_ball": [0.8 - 0.1, 0.56 - 0.25, 0.248 - 0.025],
    "nesterov": [0.8 - 0.15, 0.52 - 0.325, 0.156 + 0.0875],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", UPDATES)
def test_three_updates_are_the_hand_computed_ones(name: str, dtype: str) -> None:
    for weight_decay, expected in ((0, UPDATES[name]), (2, DECAYED[name])):
        theta = np.ones(2, dtype)
        optimizer = OPTIMIZERS[name](theta, alpha=0.5, weight_decay=weight_decay)
        for gradient, value in zip([1, 2, -1], expected, strict=True):
            optimizer.step(np.full(2, gradient, dtype), 0.1)
            np.testing.assert_allclose(theta, [value, value], rtol=1e-6 if dtype == "float32" else 1e-14)
        assert {values.dtype for values in (theta, *optimizer.state.values())} == {np.dtype(dtype)}


@pytest.mark.parametrize("name", UPDATES)
def test_without_momentum_every_rule_is_gradient_descent(name: str) -> None:
    theta = np.array([1.0, -2.0])
    optimizer = OPTIMIZERS[name](theta, alpha=0, weight_decay=0)
    for _ in range(3):
        optimizer.step(np.array([3.0, 5.0]), 0.1)
    np.testing.assert_allclose(theta, [1 - 0.9, -2 - 1.5], rtol=1e-14)
