"""The network: its shapes, and gradients against central differences on the code that trains, for every option."""

import numpy as np
import pytest

from mnist.activations import ACTIVATIONS
from mnist.dataset import one_hot
from mnist.losses import LOSSES
from mnist.network import Network
from mnist.normalisation import Normalisation, identity, unit
from tests.recipe import random_digits, recipe

HIDDEN = [[], [7], [8, 6], [6, 5, 4, 3]]
EXACT_ACTIVATIONS = [name for name in ACTIVATIONS if name != "sigmoid_rounded_derivative"]
EXACT_LOSSES = [name for name in LOSSES if name != "squared_error_shown_as_cross_entropy"]


def network_of(**changes: object) -> Network:
    return Network.initialise(recipe(dtype="float64", **changes), unit([]), np.random.default_rng(3))


@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("loss", EXACT_LOSSES)
@pytest.mark.parametrize("activation", EXACT_ACTIVATIONS)
def test_gradient_agrees_with_central_differences(activation: str, loss: str, bias: bool, hidden: list[int]) -> None:
    network = network_of(activation=activation, loss=loss, bias=bias, hidden=hidden)
    rng = np.random.default_rng(0)
    # Biases begin at zero, where a mistake in them could hide.
    network.theta += 0.1 * rng.standard_normal(network.theta.size)
    digits = random_digits(6)
    targets = one_hot(digits.labels, "float64")

    def total_loss() -> float:
        output = network.forward(digits.images)[-1]
        return len(digits) * LOSSES[loss].value(*output, targets)

    layers = network.forward(digits.images)
    delta = LOSSES[loss].delta(*layers[-1], targets, network.architecture.output)
    gradient = network.backward(layers, delta).copy()

    # Some weights of each layer and every bias; the others have the same formulas.
    weights, biases = network.architecture.split(np.arange(network.theta.size, dtype=float))
    places = np.concatenate([*(rng.choice(layer.ravel(), 8, replace=False) for layer in weights), *biases])
    step = 1e-5
    for place in places.astype(int):
        kept = network.theta[place]
        network.theta[place] = kept + step
        above = total_loss()
        network.theta[place] = kept - step
        below = total_loss()
        network.theta[place] = kept
        assert gradient[place] == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("bias", [False, True])
def test_layers_have_the_shapes_that_the_recipe_tells(bias: bool) -> None:
    network = network_of(hidden=[30, 20], bias=bias)
    assert [weights.shape for weights in network.weights] == [(784, 30), (30, 20), (20, 10)]
    assert [biases.shape for biases in network.biases] == ([(30,), (20,), (10,)] if bias else [])
    layers = network.forward(random_digits(5).images)
    assert [layer.a.shape for layer in layers] == [(5, 784), (5, 30), (5, 20), (5, 10)]
    assert network.architecture.count == sum(part.size for part in [*network.weights, *network.biases])


def test_weights_are_views_of_theta() -> None:
    network = network_of(hidden=[3], bias=True)
    network.theta[:] = np.arange(network.theta.size)
    assert network.weights[1][0, 0] == 784 * 3
    assert network.biases[1][-1] == network.theta[-1]


def test_forward_is_the_formula() -> None:
    network = network_of(hidden=[4], activation="tanh", bias=True)
    network.theta += 0.01
    digits = random_digits(3)
    hidden = np.tanh(digits.images / 255 @ network.weights[0] + network.biases[0])
    z = hidden @ network.weights[1] + network.biases[1]
    expected = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(network.forward(digits.images)[-1].a, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_arithmetic_is_in_the_dtype_of_the_recipe(dtype: str) -> None:
    network = Network.initialise(recipe(dtype=dtype, bias=True), unit([]), np.random.default_rng(0))
    digits = random_digits(4)
    layers = network.forward(digits.images)
    assert {array.dtype for layer in layers for array in layer} == {np.dtype(dtype)}
    assert network.backward(layers, layers[-1].a).dtype == dtype


def test_a_network_normalises_by_itself_and_can_be_told_not_to() -> None:
    network = network_of(hidden=[5])
    doubled = network.with_normalisation(Normalisation(np.zeros((1, 1)), np.full((1, 1), 2 / 255)))
    raw = network.with_normalisation(identity())
    images = random_digits(2).images // 2
    np.testing.assert_allclose(doubled.forward(images)[-1].a, network.forward(2 * images)[-1].a, rtol=1e-12)
    np.testing.assert_array_equal(raw.forward(images)[0].a, images)


def test_an_architecture_tells_what_it_is_in_a_line() -> None:
    assert str(network_of().architecture) == (
        "784-100-100-10 without biases, relu, softmax outputs, 89,400 weights in float64"
    )
