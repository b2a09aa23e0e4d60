"""Losses: hand-computed values, derivatives against central differences, exact limits for extreme z."""

import itertools
import math

import numpy as np
import pytest

from mnist.nn.losses import Loss, binary_cross_entropy, softmax_cross_entropy, squared_error
from tests.helpers import TABLES

Z = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
LOSSES: dict[str, Loss] = TABLES["loss"]

TARGETS = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])

VALUES: dict[Loss, float] = {
    # -log(softmax) of the true class: log(e^0.5 + e^-1 + e^2) + 1 and log(e^1.5 + e^0.25 + e^-0.75) - 1.5.
    softmax_cross_entropy: (3.24130 + 0.33067) / 2,
    # -log(a) for the true class, -log(1 - a) for the others, a = sigmoid(z).
    binary_cross_entropy: (0.97408 + 1.31326 + 2.12693 + 0.20141 + 0.82594 + 0.38687) / 2,
    # The squares of a - y.
    squared_error: (0.38746 + 0.53445 + 0.77580 + 0.03328 + 0.31603 + 0.10291) / 2,
}

# A network that is as wrong as possible about two classes, and undecided about the third.
EXTREME, EXTREME_TARGETS = [[1e4, -1e4, 0.0]], [[0.0, 1.0, 0.0]]
LIMITS: dict[Loss, tuple[float, list[float]]] = {
    softmax_cross_entropy: (2e4, [1, -1, 0]),
    binary_cross_entropy: (2e4 + math.log(2), [1, -1, 0.5]),
    squared_error: (1 + 1 + 0.25, [0, 0, 0.25]),
}


def test_every_loss_has_its_numbers_here() -> None:
    assert set(VALUES) == set(LIMITS) == set(LOSSES.values())


@pytest.mark.parametrize("name", LOSSES)
def test_value_is_the_hand_computed_mean_of_an_image(name: str) -> None:
    assert LOSSES[name].value(Z, TARGETS) == pytest.approx(VALUES[LOSSES[name]], abs=2e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_delta_agrees_with_central_differences(name: str) -> None:
    loss, step = LOSSES[name], 1e-6
    differences = np.empty_like(Z)
    for place in itertools.product(*map(range, Z.shape)):
        shift = np.zeros_like(Z)
        shift[place] = step
        change = loss.value(Z + shift, TARGETS) - loss.value(Z - shift, TARGETS)
        differences[place] = len(Z) * change / (2 * step)
    np.testing.assert_allclose(loss.delta(Z, TARGETS), differences, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
def test_an_extreme_z_gives_the_exact_limit(name: str, dtype: str) -> None:
    loss, z, targets = LOSSES[name], np.array(EXTREME, dtype), np.array(EXTREME_TARGETS, dtype)
    value, delta = LIMITS[loss]
    assert loss.value(z, targets) == pytest.approx(value, rel=1e-6)
    found = loss.delta(z, targets)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, [delta])
    np.testing.assert_array_equal(z, np.array(EXTREME, dtype))


def test_the_loss_of_a_right_answer_is_small_and_not_rounded_to_0() -> None:
    value = binary_cross_entropy.value(np.array([[40.0, -40.0]]), np.array([[1.0, 0.0]]))
    assert value == pytest.approx(2 * math.exp(-40), rel=1e-9, abs=0)
