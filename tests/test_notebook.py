"""The notebook recipe against an independent transcription of the notebook's formulas, in straight lines."""

import numpy as np

from benchmarks.notebook import NotebookLoop, normalised_batches, sigmoid
from mnist.hyperparameters import Hyperparameters
from mnist.normalisation import NORMALIZERS, identity
from mnist.training import TrainingState, train
from tests.recipe import ROOT, random_digits

NOTEBOOK = Hyperparameters.load(ROOT / "recipes/notebook.yaml")
BATCHES = 100
DIGITS = random_digits(BATCHES * 100)


def test_100_batches_give_the_weights_and_losses_of_the_transcription() -> None:
    state = TrainingState.initial(NOTEBOOK, NORMALIZERS["min_max_by_position"]([DIGITS.images]))
    loop = NotebookLoop(*(weights.astype(np.float64) for weights in state.network.weights))
    assert [w.shape for w in (loop.w1, loop.w2, loop.w3)] == [(784, 100), (100, 100), (100, 10)]
    loop.epoch(normalised_batches(DIGITS), DIGITS)

    progress = next(step for step in train(state, DIGITS, DIGITS, NOTEBOOK) if step.images == len(DIGITS))
    for ours, theirs in zip(state.network.weights, (loop.w1, loop.w2, loop.w3), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    np.testing.assert_allclose(progress.loss * 100, np.mean(loop.losses), rtol=1e-10)
    assert progress.accuracy == loop.right / len(DIGITS)

    # The test images stay 0..255.
    raw = state.network.with_normalisation(identity()).forward(DIGITS.images[:50])[-1].a
    straight = sigmoid(sigmoid(sigmoid(np.clip(DIGITS.images[:50] @ loop.w1, -700, 700)) @ loop.w2) @ loop.w3)
    np.testing.assert_allclose(raw, straight, atol=1e-10)


def test_the_recipe_names_all_choices_of_the_notebook() -> None:
    assert NOTEBOOK.model_dump(exclude={"seed"}) == {
        "dataset": "mnist",
        "validation": 0,
        "normalize": "min_max_by_position",
        "hidden": [100, 100],
        "activation": "sigmoid_rounded_derivative",
        "bias": False,
        "initializer": "standard_normal",
        "dtype": "float64",
        "loss": "squared_error_shown_as_cross_entropy",
        "reduction": "sum",
        "weight_decay": 0,
        "eta": 0.01,
        "alpha": 0.01,
        "momentum": "last_step",
        "schedule": "constant",
        "epochs": 50,
        "batch_size": 100,
        "negligible": 0,
        "order": "file",
        "rotation": 0,
        "scaling": 0,
        "shear": 0,
        "shift": 0,
        "elastic": 0,
        "smoothness": 4,
        "fading": 0,
        "evaluation_images": "raw",
    }
