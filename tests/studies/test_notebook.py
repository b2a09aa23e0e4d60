"""Compares the notebook's recipe with an independent transcription of the notebook's formulas."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.notebook import notebook_epochs, sigmoid
from mnist.errors import MnistError
from mnist.model import Model, encode_model, load_model
from mnist.recipe import ACTIVATIONS, Recipe
from studies import notebook
from tests.helpers import ROOT, random_digits, some_novelty

NOTEBOOK = Recipe.load_overlay(ROOT / notebook.RECIPE, base=ROOT / "params.yaml")
BATCHES = 100
DIGITS = random_digits(BATCHES * 100)


def test_100_batches_give_the_weights_losses_and_outputs_of_the_transcription() -> None:
    training, batches = NOTEBOOK.changed("one epoch", {"epochs": 1}).start(NOTEBOOK.prepare(DIGITS))
    network = training.network
    (w1, w2, w3), losses, right = next(notebook_epochs(DIGITS, *(weights.astype(float) for weights in network.weights)))
    assert [w.shape for w in (w1, w2, w3)] == [(784, 100), (100, 100), (100, 10)]

    *_, progress = training.run(batches, [])
    for ours, theirs in zip(network.weights, (w1, w2, w3), strict=True):
        assert ours.dtype == np.float64
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    np.testing.assert_allclose(progress.score.loss * 100, np.mean(losses), rtol=1e-10)
    assert progress.score.accuracy == right / len(DIGITS)

    # The test images stay 0..255.
    model = Model(network, batches.normalisation.for_prediction, DIGITS.class_names, {}, 1.0, some_novelty())
    straight = sigmoid(sigmoid(sigmoid(np.clip(DIGITS.images[:50] @ w1, -700, 700)) @ w2) @ w3)
    np.testing.assert_allclose(model(DIGITS.images[:50]), straight, atol=1e-10)


def test_one_batch_has_the_shapes_of_the_notebook_layer_by_layer() -> None:
    training, batches = NOTEBOOK.start(NOTEBOOK.prepare(DIGITS))
    images, chunks = batches.draw(progress=0)
    size, [(inputs, targets)] = next(next(chunks))
    assert (images, size) == (len(DIGITS), 100)
    assert (inputs.shape, targets.shape) == ((100, 784), (100, 10))
    assert (inputs.min(), inputs.max()) == (0, 1)
    activations = training.network.forward(inputs)
    assert [a.shape for a in activations] == [(100, 784), (100, 100), (100, 100), (100, 10)]
    delta = training.loss.delta(activations[-1], targets)
    assert delta.shape == (100, 10)
    gradient = training.network.backward(activations, delta)
    assert gradient.shape == (784 * 100 + 100 * 100 + 100 * 10,)
    chunks.close()  # type: ignore[attr-defined]


def test_the_derivative_at_the_rounded_z_is_0_where_a_unit_is_saturated() -> None:
    z = np.array([-800.0, -40, -1.6, -0.4, 0, 0.4, 2.4, 3.6, 40, 800])
    a = np.array([0, sigmoid(z[1:-1])[0], *sigmoid(z[2:-1]), 1])
    r = sigmoid(np.array([-800.0, -40, -2, 0, 0, 0, 2, 4, 40, 800]).clip(-700, 700))
    derivative = ACTIVATIONS["sigmoid_rounded_derivative"].derivative
    np.testing.assert_allclose(derivative(a, np.empty_like(a)), r * (1 - r), atol=1e-15)


def test_a_batch_of_another_size_has_no_positions() -> None:
    training, batches = NOTEBOOK.changed("batches of 50", {"batch_size": 50}).start(NOTEBOOK.prepare(DIGITS))
    with pytest.raises(MnistError, match="batch_size should be 100 and shards 1"):
        list(training.run(batches, []))


def test_every_part_of_the_program_loads_a_model_of_the_notebook(tmp_path: Path) -> None:
    training, batches = NOTEBOOK.start(NOTEBOOK.prepare(DIGITS))
    model = Model(training.network, batches.normalisation.for_prediction, DIGITS.class_names, {}, 1.0, some_novelty())
    file = tmp_path / "model.safetensors"
    file.write_bytes(encode_model(model))
    loaded = load_model(file)
    assert loaded.network.activation.name == "sigmoid"
    np.testing.assert_array_equal(loaded(DIGITS.images), model(DIGITS.images))


def test_the_recipe_is_the_notebooks() -> None:
    assert NOTEBOOK.model_dump(exclude={"seed", "deformation"}) == {
        "eta": 0.01,
        "alpha": 0.01,
        "epochs": 50,
        "batch_size": 100,
        "shards": 1,
        "optimizer": "last_step",
        "schedule": "constant",
        "weight_decay": 0,
        "loss": "squared_error_rounded_derivative",
        "reduction": "sum",
        "negligible": 0,
        "order": "file",
        "data": {"dataset": "mnist", "validation": 0, "normalize": "min_max_by_position"},
        "network": {
            "hidden": [100, 100],
            "activation": "sigmoid_rounded_derivative",
            "bias": False,
            "initializer": "standard_normal",
            "dtype": "float64",
        },
    }
    assert not any(getattr(NOTEBOOK.deformation, kind) for kind in ("rotation", "scaling", "shear", "shift", "elastic"))
