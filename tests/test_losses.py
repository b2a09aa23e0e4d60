"""Losses: hand-computed values, derivatives against central differences, finite for any outputs."""

import itertools
import math

import numpy as np
import pytest

from mnist.activations import OUTPUTS
from mnist.losses import LOSSES

TARGETS = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
Z = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # -log(softmax) of the true class: log(e^0.5 + e^-1 + e^2) + 1 and log(e^1.5 + e^0.25 + e^-0.75) - 1.5.
        ("softmax_cross_entropy", (3.24130 + 0.33067) / 2),
        # -log(a) for the true class, -log(1 - a) for the others, a = sigmoid(z).
        ("binary_cross_entropy", (0.97408 + 1.31326 + 2.12693 + 0.20141 + 0.82594 + 0.38687) / 2),
        # The squares of a - y.
        ("squared_error", (0.38746 + 0.53445 + 0.77580 + 0.03328 + 0.31603 + 0.10291) / 2),
        ("squared_error_shown_as_cross_entropy", (0.97408 + 1.31326 + 2.12693 + 0.20141 + 0.82594 + 0.38687) / 2),
    ],
)
def test_value_is_the_hand_computed_mean_of_an_image(name: str, expected: float) -> None:
    loss = LOSSES[name]
    a = OUTPUTS[loss.output or "sigmoid"](Z)
    assert loss.value(Z, a, TARGETS) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize(
    ("name", "output"),
    [
        *[(name, loss.output) for name, loss in LOSSES.items() if loss.output],
        # The notebook descends the squared error, whatever it shows.
        *[("squared_error", output) for output in ("tanh", "relu", "sigmoid")],
    ],
)
def test_delta_agrees_with_central_differences(name: str, output: str) -> None:
    loss, step = LOSSES[name], 1e-6

    def total(z: np.ndarray) -> float:
        return len(z) * loss.value(z, OUTPUTS[output](z), TARGETS)

    differences = np.empty_like(Z)
    for place in itertools.product(*map(range, Z.shape)):
        shift = np.zeros_like(Z)
        shift[place] = step
        differences[place] = (total(Z + shift) - total(Z - shift)) / (2 * step)
    np.testing.assert_allclose(loss.delta(Z, OUTPUTS[output](Z), TARGETS, output), differences, atol=1e-8)


def test_the_notebooks_loss_descends_what_squared_error_descends() -> None:
    a = OUTPUTS["sigmoid"](Z)
    shown, descended = LOSSES["squared_error_shown_as_cross_entropy"], LOSSES["squared_error"]
    np.testing.assert_array_equal(shown.delta(Z, a, TARGETS, "sigmoid"), descended.delta(Z, a, TARGETS, "sigmoid"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["softmax_cross_entropy", "binary_cross_entropy"])
def test_cross_entropy_of_a_certain_mistake_is_large_and_finite(name: str, dtype: str) -> None:
    z = np.array([[1e4, -1e4, 0]], dtype)
    value = LOSSES[name].value(z, OUTPUTS[LOSSES[name].output or ""](z), TARGETS[:1].astype(dtype))
    assert math.isfinite(value)
    assert value >= 1e4
