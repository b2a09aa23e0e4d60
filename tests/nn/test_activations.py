"""Activations: known values, derivatives against central differences, finite outputs for any z."""

import numpy as np
import pytest

from mnist.nn.activations import Activation, Output, relu, sigmoid, softmax, tanh
from tests.helpers import TABLES

Z = np.array([[-2.5, -0.5, 0.3, 1.7]])
VALUES: dict[Activation, list[float]] = {
    relu: [0.0, 0.0, 0.3, 1.7],
    tanh: [-0.98661430, -0.46211716, 0.29131261, 0.93540907],
    sigmoid: [0.07585818, 0.37754067, 0.57444252, 0.84553473],
}


def test_every_activation_has_its_values_here_and_its_own_name_in_the_table() -> None:
    assert {activation.name: activation for activation in VALUES} == TABLES["network.activation"]


@pytest.mark.parametrize(("activation", "values"), VALUES.items(), ids=lambda value: getattr(value, "name", ""))
def test_values_are_known_and_derivatives_agree_with_central_differences(
    activation: Activation, values: list[float]
) -> None:
    a = activation(Z)
    np.testing.assert_allclose(a, [values], atol=1e-8)
    step = 1e-6
    differences = (activation(Z + step) - activation(Z - step)) / (2 * step)
    np.testing.assert_allclose(activation.derivative(a, np.empty_like(a)), differences, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output", [*VALUES, softmax], ids=lambda output: output.name)
def test_outputs_are_finite_in_their_dtype_and_the_same_in_place_for_any_z(output: Output, dtype: str) -> None:
    # pytest turns an overflow warning into an error.
    z = np.array([[-1e30, -800, -1, 0, 1, 800, 1e30], [1, 2, 3, 4, 5, 6, 7]], dtype)
    a = output(z)
    assert a.dtype == dtype
    assert np.isfinite(a).all()
    assert output(z, out=z) is z
    np.testing.assert_array_equal(z, a)


def test_softmax_rows_are_distributions_that_a_shift_does_not_change() -> None:
    a = softmax(np.array([[1.0, 2.0, 3.0], [1001.0, 1002.0, 1003.0]]))
    np.testing.assert_allclose(a, [[0.09003057, 0.24472847, 0.66524096]] * 2, atol=1e-8)
