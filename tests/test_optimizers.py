"""Momentum rules against three updates computed by hand."""

import numpy as np
import pytest

from mnist.optimizers import MOMENTUM_RULES

# theta begins at 1, the gradients are 1, 2, -1; eta = 0.1, alpha = 0.5.
UPDATES = {
    # v: -0.1; -0.05 - 0.2 = -0.25; -0.125 + 0.1 = -0.025.
    "heavy_ball": [0.9, 0.65, 0.625],
    # The same v; theta moves by alpha v - eta g: -0.05 - 0.1; -0.125 - 0.2; -0.0125 + 0.1.
    "nesterov": [0.85, 0.525, 0.6125],
    # -0.1; -0.2 + half of -0.1; +0.1 + half of -0.2.
    "last_step": [0.9, 0.65, 0.65],
}


@pytest.mark.parametrize(("name", "expected"), UPDATES.items())
def test_three_updates_are_the_hand_computed_ones(name: str, expected: list[float]) -> None:
    theta, velocity = np.ones(2), np.zeros(2)
    for gradient, value in zip([1.0, 2.0, -1.0], expected, strict=True):
        MOMENTUM_RULES[name](theta, velocity, np.full(2, gradient), 0.1, 0.5)
        np.testing.assert_allclose(theta, [value, value], rtol=1e-14)


@pytest.mark.parametrize("rule", MOMENTUM_RULES.values(), ids=MOMENTUM_RULES)
def test_without_momentum_all_rules_are_gradient_descent(rule: object) -> None:
    assert callable(rule)
    theta, velocity = np.array([1.0, -2.0]), np.zeros(2)
    for _ in range(3):
        rule(theta, velocity, np.array([3.0, 5.0]), 0.1, 0.0)
    np.testing.assert_allclose(theta, [1 - 0.9, -2 - 1.5], rtol=1e-14)


def test_every_rule_has_its_updates_here() -> None:
    assert UPDATES.keys() == MOMENTUM_RULES.keys()
