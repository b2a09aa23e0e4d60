"""The network: shapes, formula, and gradients compared with central differences for every activation and loss."""

import numpy as np
import pytest

from mnist.nn.activations import relu, softmax, tanh
from mnist.nn.network import Network
from tests.helpers import TABLES

ACTIVATIONS, LOSSES = TABLES["network.activation"], TABLES["loss"]

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((7, 6))
TARGETS = np.eye(3)[RNG.integers(0, 3, 7)]


def randomized(network: Network) -> Network:
    """Draw all weights and biases of the network, and return it."""
    network.theta[:] = np.random.default_rng(3).standard_normal(network.theta.size) / 2
    return network


@pytest.mark.parametrize("sizes", [(6, 3), (6, 5, 3), (6, 5, 4, 3)], ids=str)
@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
@pytest.mark.parametrize("loss_name", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_agrees_with_central_differences(
    activation: str, loss_name: str, bias: bool, sizes: tuple[int, ...]
) -> None:
    loss = LOSSES[loss_name]
    network = randomized(Network(sizes, ACTIVATIONS[activation], loss.output, bias=bias, dtype="float64"))
    activations = network.forward(IMAGES)
    gradient = network.backward(activations, loss.delta(activations[-1], TARGETS)).copy()

    step, differences = 1e-6, np.empty_like(gradient)
    for place, kept in enumerate(network.theta.copy()):
        sums = []
        for moved in (kept + step, kept - step):
            network.theta[place] = moved
            sums.append(len(IMAGES) * loss.value(network.forward(IMAGES)[-1], TARGETS))
        network.theta[place] = kept
        differences[place] = (sums[0] - sums[1]) / (2 * step)
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-8)
    assert np.count_nonzero(gradient) > gradient.size / 2


def test_the_output_equals_the_formula() -> None:
    network = randomized(Network((6, 4, 3), tanh, softmax, bias=True, dtype="float64"))
    hidden = np.tanh(IMAGES @ network.weights[0] + network.biases[0])
    z = hidden @ network.weights[1] + network.biases[1]
    np.testing.assert_allclose(network.forward(IMAGES)[-1], z, rtol=1e-12)
    np.testing.assert_allclose(network(IMAGES), np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), rtol=1e-12)


def test_weights_and_biases_are_views_of_theta() -> None:
    network = Network((6, 4, 3), relu, softmax, bias=True)
    assert [weights.shape for weights in network.weights] == [(6, 4), (4, 3)]
    assert [biases.shape for biases in network.biases] == [(4,), (3,)]
    network.theta[:] = np.arange(network.theta.size)
    parts = [part.ravel() for part in (*network.weights, *network.biases)]
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(6 * 4 + 4 * 3 + 4 + 3))
    assert Network((6, 4, 3), relu, softmax).biases == []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_batches_of_any_size_follow_each_other_in_one_dtype(dtype: str) -> None:
    # The buffers of the hidden layers are reused from batch to batch.
    reused = randomized(Network((6, 5, 4, 3), relu, softmax, bias=True, dtype=dtype))
    images, deltas = IMAGES.astype(dtype), TARGETS.astype(dtype)
    for size in (3, 7, 1, 5):
        fresh = randomized(Network((6, 5, 4, 3), relu, softmax, bias=True, dtype=dtype))
        found, expected = (network.forward(images[:size]) for network in (reused, fresh))
        assert {a.dtype for a in found} == {np.dtype(dtype)}
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)
        gradient = reused.backward(found, deltas[:size])
        np.testing.assert_array_equal(gradient, fresh.backward(expected, deltas[:size]), strict=True)


def test_a_network_is_described_in_a_line() -> None:
    assert str(Network((784, 100, 100, 10), relu, softmax)) == (
        "784-100-100-10 without biases, relu, softmax outputs, 89,400 weights in float32"
    )
    assert "with biases, tanh" in str(Network((2, 2), tanh, softmax, bias=True))
    assert Network((784, 100, 10), relu, softmax).largest_product(50) == 50 * 784 * 100
