"""Initial weights: each rule has the promised variance, and only the generator decides the weights."""

import numpy as np
import pytest

from mnist.nn.activations import relu, softmax
from mnist.nn.initializers import he_normal
from mnist.nn.network import Network
from tests.helpers import TABLES

VARIANCES = {"he_normal": 2 / 784, "lecun_normal": 1 / 784, "standard_normal": 1.0}


@pytest.mark.parametrize("name", TABLES["network.initializer"])
def test_weights_have_mean_zero_and_the_promised_variance(name: str) -> None:
    weights, variance = TABLES["network.initializer"][name](np.random.default_rng(0), 784, 300), VARIANCES[name]
    assert weights.shape == (784, 300)
    # The mean of n such numbers has the deviation sqrt(variance / n); their variance has variance * sqrt(2 / n).
    assert abs(weights.mean()) < 4 * np.sqrt(variance / weights.size)
    assert weights.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / weights.size))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_draws_its_layers_in_order_and_leaves_biases_zero(dtype: str) -> None:
    network, rng = Network((5, 4, 3), relu, softmax, bias=True, dtype=dtype), np.random.default_rng(1)
    network.initialize(he_normal, np.random.default_rng(1))
    for weights, shape in zip(network.weights, [(5, 4), (4, 3)], strict=True):
        drawn = rng.standard_normal(shape) * np.sqrt(2 / shape[0])
        np.testing.assert_array_equal(weights, drawn.astype(dtype))
    assert not any(biases.any() for biases in network.biases)
