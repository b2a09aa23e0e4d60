"""What training computes, with its reused buffers, flat arrays and pieces prepared ahead, against the plain formulas.

The plain side is written as in a textbook, in float64 and with new arrays throughout, and takes nothing from `mnist`
but the first weights.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mnist.activations import ACTIVATIONS
from mnist.arrays import FloatArray
from mnist.dataset import Dataset
from mnist.hyperparameters import Hyperparameters
from mnist.losses import LOSSES
from mnist.normalisation import unit
from mnist.optimizers import MOMENTUM_RULES
from mnist.randomness import generator
from mnist.training import TrainingState, train
from tests.recipe import random_digits, recipe

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

DIGITS = random_digits(90)
NOTHING = Dataset(DIGITS.images[:0], DIGITS.labels[:0])
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


def output_delta(parameters: Hyperparameters, z: Array, y: Array) -> Array:
    """Return the derivative of an image's loss by the last layer's z."""
    if parameters.loss == "softmax_cross_entropy":
        return softmax(z) - y
    if parameters.loss == "binary_cross_entropy":
        return sigmoid(z) - y
    name = "sigmoid" if parameters.loss == "squared_error" else parameters.activation
    value, slope = FUNCTIONS[name]
    return 2 * (value(z) - y) * slope(z)


def plain_epochs(parameters: Hyperparameters, theta: list[Array], orders: list[NDArray[np.int64]]) -> list[Array]:
    """Return weights and biases (all layers' weights first) after an epoch in each of the orders."""
    layers = len(parameters.hidden) + 1
    value, slope = FUNCTIONS[parameters.activation]
    velocity = [np.zeros_like(part) for part in theta]
    for order in orders:
        for start in range(0, len(order), parameters.batch_size):
            batch = order[start : start + parameters.batch_size]
            a, z = [DIGITS.images[batch] / 255], [np.zeros(0)]
            for layer in range(layers):
                z.append(a[-1] @ theta[layer] + (theta[layers + layer] if parameters.bias else 0))
                a.append(value(z[-1]))
            delta = output_delta(parameters, z[-1], np.eye(10)[DIGITS.labels[batch]])
            delta = np.where(abs(delta).max(axis=1, keepdims=True) > parameters.negligible, delta, 0)
            delta = delta / len(batch) if parameters.reduction == "mean" else delta
            gradient = [np.zeros_like(part) for part in theta]
            for layer in reversed(range(layers)):
                gradient[layer] = a[layer].T @ delta
                if parameters.bias:
                    gradient[layers + layer] = delta.sum(axis=0)
                if layer > 0:
                    delta = delta @ theta[layer].T * slope(z[layer])
            eta, alpha = parameters.eta, parameters.alpha
            for index, (part, g, v) in enumerate(zip(theta, gradient, velocity, strict=True)):
                decayed = part * (1 - eta * parameters.weight_decay)
                new = alpha * v - eta * g
                if parameters.momentum == "heavy_ball":
                    theta[index], velocity[index] = decayed + new, new
                elif parameters.momentum == "nesterov":
                    theta[index], velocity[index] = decayed + alpha * new - eta * g, new
                else:
                    theta[index], velocity[index] = decayed + new, -eta * g
    return theta


def options() -> Iterator[dict[str, object]]:
    for activation, loss, momentum, dtype in product(ACTIVATIONS, LOSSES, MOMENTUM_RULES, TOLERANCE):
        if loss == "squared_error_shown_as_cross_entropy" and "sigmoid" not in activation:
            continue  # refused by the recipe
        if activation == "sigmoid_rounded_derivative" and dtype == "float32":
            continue  # a z that float32 moves over a half has another derivative altogether
        for bias, reduction in ((False, "mean"), (True, "sum")):
            yield {
                "activation": activation,
                "loss": loss,
                "momentum": momentum,
                "dtype": dtype,
                "bias": bias,
                "reduction": reduction,
                "eta": 0.1 if reduction == "mean" else 0.01,
            }


def plain_and_computed(parameters: Hyperparameters) -> tuple[list[Array], list[Array], list[FloatArray]]:
    """Return the first weights and biases, then what the plain formulas and what training make of them."""
    state = TrainingState.initial(parameters, unit([]))
    rng = generator(parameters.seed, "shuffling")
    orders = [rng.permutation(len(DIGITS)) for _ in range(parameters.epochs)]
    first = [part.astype(np.float64) for part in [*state.network.weights, *state.network.biases]]
    expected = plain_epochs(parameters, list(first), orders)

    list(train(state, DIGITS, NOTHING, parameters))
    return first, expected, [*state.network.weights, *state.network.biases]


@pytest.mark.parametrize("changes", list(options()), ids=lambda changes: "-".join(map(str, changes.values())))
def test_training_computes_the_plain_formulas(changes: dict[str, Any]) -> None:
    parameters = recipe(hidden=[12, 11], batch_size=20, epochs=2, schedule="constant", **changes)
    for begin, wanted, part in zip(*plain_and_computed(parameters), strict=True):
        assert not np.allclose(wanted, begin, rtol=0, atol=TOLERANCE[parameters.dtype])
        np.testing.assert_allclose(part, wanted, rtol=0, atol=TOLERANCE[parameters.dtype])


@pytest.mark.parametrize(("loss", "negligible"), [("softmax_cross_entropy", 0.9), ("binary_cross_entropy", 0.6)])
def test_images_that_teach_nothing_are_zeros_in_the_plain_formulas(loss: str, negligible: float) -> None:
    some, all_teach = (
        recipe(hidden=[12, 11], batch_size=20, schedule="constant", dtype="float64", loss=loss, negligible=threshold)
        for threshold in (negligible, 0)
    )
    first, expected, computed = plain_and_computed(some)
    _, all_taught, _ = plain_and_computed(all_teach)
    for begin, other, wanted, part in zip(first, all_taught, expected, computed, strict=True):
        assert not np.allclose(wanted, begin, rtol=0, atol=1e-6)
        assert not np.allclose(wanted, other, rtol=0, atol=1e-6)
        np.testing.assert_allclose(part, wanted, rtol=0, atol=1e-13)
