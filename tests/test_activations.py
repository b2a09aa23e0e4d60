"""Activations: known values, derivatives against central differences, no overflow anywhere."""

import numpy as np
import pytest

from mnist.activations import ACTIVATIONS, OUTPUTS, softmax

Z = np.array([[-2.5, -0.5, 0.3, 1.7]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sigmoid", [0.07585818, 0.37754067, 0.57444252, 0.84553473]),
        ("sigmoid_rounded_derivative", [0.07585818, 0.37754067, 0.57444252, 0.84553473]),
        ("tanh", [-0.98661430, -0.46211716, 0.29131261, 0.93540907]),
        ("relu", [0.0, 0.0, 0.3, 1.7]),
    ],
)
def test_values_are_the_known_ones(name: str, expected: list[float]) -> None:
    np.testing.assert_allclose(ACTIVATIONS[name].value(Z), [expected], atol=1e-8)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu"])
def test_derivative_agrees_with_central_differences(name: str) -> None:
    activation, step = ACTIVATIONS[name], 1e-6
    differences = (activation.value(Z + step) - activation.value(Z - step)) / (2 * step)
    np.testing.assert_allclose(activation.derivative(Z, activation.value(Z), np.empty_like(Z)), differences, atol=1e-9)


def test_rounded_derivative_is_that_of_the_nearest_integer_half_to_even() -> None:
    activation = ACTIVATIONS["sigmoid_rounded_derivative"]
    exact = ACTIVATIONS["sigmoid"]
    whole = np.array([[-2.0, 0.0, 0.0, 2.0]])  # of -2.5, -0.5, 0.3, 1.7
    np.testing.assert_array_equal(
        activation.derivative(Z, activation.value(Z), np.empty_like(Z)),
        exact.derivative(whole, exact.value(whole), np.empty_like(Z)),
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_are_finite_and_keep_their_dtype_for_any_z(name: str, dtype: str) -> None:
    # pytest turns an overflow warning into an error.
    z = np.array([[-1e30, -800, -1, 0, 1, 800, 1e30]], dtype)
    a = OUTPUTS[name](z)
    assert a.dtype == dtype
    assert np.isfinite(a).all()


def test_softmax_rows_are_distributions_that_a_shift_does_not_change() -> None:
    a = softmax(np.array([[1.0, 2.0, 3.0], [1001.0, 1002.0, 1003.0]]))
    np.testing.assert_allclose(a, [[0.09003057, 0.24472847, 0.66524096]] * 2, atol=1e-8)
