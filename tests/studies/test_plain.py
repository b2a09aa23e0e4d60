"""Compares training, with its reused buffers, flat arrays and prefetched batches, with the plain formulas.

The plain formulas are written as in a textbook, in float64 and with new arrays throughout; only the initial weights
come from the project.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mnist.nn.arrays import FloatArray
from mnist.recipe import Recipe
from studies import notebook
from tests.helpers import random_digits, recipe

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

DIGITS = random_digits(90)
TOLERANCE = {"float32": 2e-6, "float64": 1e-13}


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def softmax(z: Array) -> Array:
    return np.asarray(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True))


FUNCTIONS: dict[str, tuple[Function, Function]] = {
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "sigmoid_rounded_derivative": (sigmoid, lambda z: sigmoid(np.rint(z)) * (1 - sigmoid(np.rint(z)))),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.where(z > 0, z, 0), lambda z: np.where(z > 0, 1.0, 0.0)),
}


def output_delta(parameters: Recipe, z: Array, y: Array) -> Array:
    """Return the derivative of an image's loss with respect to the last layer's z."""
    if parameters.loss == "softmax_cross_entropy":
        return softmax(z) - y
    if parameters.loss == "binary_cross_entropy":
        return sigmoid(z) - y
    value, slope = FUNCTIONS["sigmoid_rounded_derivative" if "rounded" in parameters.loss else "sigmoid"]
    return 2 * (value(z) - y) * slope(z)


def plain_epochs(parameters: Recipe, theta: list[Array], orders: list[NDArray[np.int64]]) -> list[Array]:
    """Return weights and biases (the weights of all layers first) after an epoch in each of the orders."""
    layers = len(parameters.network.hidden) + 1
    value, slope = FUNCTIONS[parameters.network.activation]
    velocity = [np.zeros_like(part) for part in theta]
    for order in orders:
        for start in range(0, len(order), parameters.batch_size):
            batch = order[start : start + parameters.batch_size]
            a, z = [DIGITS.images[batch] / 255], [np.zeros(0)]
            for layer in range(layers):
                z.append(a[-1] @ theta[layer] + (theta[layers + layer] if parameters.network.bias else 0))
                a.append(value(z[-1]))
            delta = output_delta(parameters, z[-1], np.eye(10)[DIGITS.labels[batch]])
            delta = np.where(abs(delta).max(axis=1, keepdims=True) > parameters.negligible, delta, 0)
            delta = delta / len(batch) if parameters.reduction == "mean" else delta
            gradient = [np.zeros_like(part) for part in theta]
            for layer in reversed(range(layers)):
                gradient[layer] = a[layer].T @ delta
                if parameters.network.bias:
                    gradient[layers + layer] = delta.sum(axis=0)
                if layer > 0:
                    delta = delta @ theta[layer].T * slope(z[layer])
            eta, alpha = parameters.eta, parameters.alpha
            for index, (part, g, v) in enumerate(zip(theta, gradient, velocity, strict=True)):
                decayed = part * (1 - eta * parameters.weight_decay)
                new = alpha * v - eta * g
                if parameters.optimizer == "heavy_ball":
                    theta[index], velocity[index] = decayed + new, new
                elif parameters.optimizer == "nesterov":
                    theta[index], velocity[index] = decayed + alpha * new - eta * g, new
                else:
                    theta[index], velocity[index] = decayed + new, -eta * g
    return theta


LOSSES = (
    "softmax_cross_entropy",
    "binary_cross_entropy",
    "squared_error",
    "squared_error_shown_as_cross_entropy",
    "squared_error_rounded_derivative",
)
OPTIMIZERS = ("heavy_ball", "nesterov", "last_step")


def options() -> Iterator[dict[str, Any]]:
    assert notebook.RECIPE.stem == "notebook"  # its slips are registered
    for activation, loss, optimizer, dtype in product(FUNCTIONS, LOSSES, OPTIMIZERS, TOLERANCE):
        if activation == "sigmoid_rounded_derivative" and dtype == "float32":
            continue  # a z that float32 moves over a half has another derivative altogether
        if loss == "squared_error_rounded_derivative" and dtype == "float32":
            continue  # likewise
        for bias, reduction in ((False, "mean"), (True, "sum")):
            yield {
                "loss": loss,
                "optimizer": optimizer,
                "reduction": reduction,
                "eta": 0.1 if reduction == "mean" else 0.01,
                "network": {"activation": activation, "dtype": dtype, "bias": bias},
            }


def plain_and_computed(**changes: Any) -> tuple[list[Array], list[Array], list[FloatArray]]:
    """Return the first weights and biases, then the results of the plain formulas and of training."""
    changes["network"] = {"hidden": [12, 11]} | changes["network"]
    parameters = recipe(epochs=2, schedule="constant", data={"validation": 0}, **changes)
    rng = parameters.generator("shuffling")
    training, batches = parameters.start(parameters.prepare(DIGITS))
    network = training.network
    orders = [rng.permutation(len(DIGITS)) for _ in range(parameters.epochs)]
    first = [part.astype(np.float64) for part in [*network.weights, *network.biases]]
    expected = plain_epochs(parameters, list(first), orders)
    list(training.run(batches, []))
    return first, expected, [*network.weights, *network.biases]


@pytest.mark.parametrize("changes", list(options()), ids=str)
def test_training_computes_the_plain_formulas(changes: dict[str, Any]) -> None:
    tolerance = TOLERANCE[changes["network"]["dtype"]]
    for begin, wanted, part in zip(*plain_and_computed(**changes), strict=True):
        assert not np.allclose(wanted, begin, rtol=0, atol=tolerance)
        np.testing.assert_allclose(part, wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("loss", "negligible"), [("softmax_cross_entropy", 0.9), ("binary_cross_entropy", 0.6)])
def test_images_with_negligible_errors_are_zeros_in_the_plain_formulas(loss: str, negligible: float) -> None:
    changes: dict[str, Any] = {"loss": loss, "network": {"dtype": "float64"}}
    first, expected, computed = plain_and_computed(negligible=negligible, **changes)
    _, all_images, _ = plain_and_computed(negligible=0, **changes)
    for begin, other, wanted, part in zip(first, all_images, expected, computed, strict=True):
        assert not np.allclose(wanted, begin, rtol=0, atol=1e-6)
        assert not np.allclose(wanted, other, rtol=0, atol=1e-6)
        np.testing.assert_allclose(part, wanted, rtol=0, atol=1e-13)
