"""The notebook recipe against an independent transcription of the notebook's formulas, in straight lines.

Nothing of `mnist/` is used on the transcription's side, but for the digits and the first weights.
"""

import numpy as np
from numpy.typing import NDArray

from mnist.hyperparameters import Hyperparameters
from mnist.normalisation import NORMALIZERS, identity
from mnist.training import TrainingState, train
from tests.recipe import ROOT, random_digits

NOTEBOOK = Hyperparameters.load(ROOT / "recipes/notebook.yaml")
BATCHES = 100
DIGITS = random_digits(BATCHES * 100)


Array = NDArray[np.float64]


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def slope(x: Array) -> Array:
    # Python's own rounding, element by element, as the notebook has it.
    r = sigmoid(np.vectorize(round, otypes=[float])(x))
    return r * (1 - r)


def test_100_batches_give_the_weights_and_losses_of_the_transcription() -> None:
    state = TrainingState.initial(NOTEBOOK, NORMALIZERS["min_max_by_position"]([DIGITS.images]))
    w1, w2, w3 = (weights.copy() for weights in state.network.weights)
    assert [w.shape for w in (w1, w2, w3)] == [(784, 100), (100, 100), (100, 10)]

    images = DIGITS.images.reshape(BATCHES, 100, 784).astype(float)
    low, high = images.min(axis=0), images.max(axis=0)
    span = high - low
    span[span == 0] = 1
    images = (images - low) / span
    labels = DIGITS.labels.reshape(BATCHES, 100)

    eta, alpha = 0.01, 0.01
    last1, last2, last3 = np.zeros(1), np.zeros(1), np.zeros(1)
    losses, right = [], 0
    for x, label in zip(images, labels, strict=True):
        y = np.zeros((100, 10))
        y[range(100), label] = 1
        z2 = x @ w1
        a2 = sigmoid(z2)
        z3 = a2 @ w2
        a3 = sigmoid(z3)
        z4 = a3 @ w3
        a4 = sigmoid(z4)
        losses.append(-(y * np.log(a4) + (1 - y) * np.log(1 - a4)).sum())
        right += (a4.argmax(axis=1) == label).sum()
        delta4 = 2 * (y - a4) * slope(z4)
        delta3 = delta4 @ w3.T * slope(z3)
        delta2 = delta3 @ w2.T * slope(z2)
        step1, step2, step3 = eta * x.T @ delta2, eta * a2.T @ delta3, eta * a3.T @ delta4
        w1, w2, w3 = w1 + step1 + alpha * last1, w2 + step2 + alpha * last2, w3 + step3 + alpha * last3
        last1, last2, last3 = step1, step2, step3

    progress = next(step for step in train(state, DIGITS, DIGITS, NOTEBOOK) if step.images == len(DIGITS))
    for ours, theirs in zip(state.network.weights, (w1, w2, w3), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    np.testing.assert_allclose(progress.loss * 100, np.mean(losses), rtol=1e-10)
    assert progress.accuracy == right / len(DIGITS)

    # The test images stay 0..255.
    raw = state.network.with_normalisation(identity()).forward(DIGITS.images[:50])[-1].a
    straight = sigmoid(sigmoid(sigmoid(np.clip(DIGITS.images[:50] @ w1, -700, 700)) @ w2) @ w3)
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
        "order": "file",
        "rotation": 0,
        "scaling": 0,
        "shear": 0,
        "shift": 0,
        "elastic": 0,
        "smoothness": 4,
        "evaluation_images": "raw",
    }
