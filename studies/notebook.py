"""The original notebook: its slips, each registered under a name that its recipe uses, and its procedure as a command.

`python -m studies.notebook` runs the notebook's recipe through the stages of the pipeline, and prints its figures
beside the figures that the notebook printed. The slips are:

- it scales training images by their position in the batch, and does not scale test images;
- it takes derivatives at the rounded pre-activation;
- it minimises the squared error, but reports the cross-entropy;
- its momentum remembers only one step.
"""

import argparse
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, Self

import numpy as np

from mnist.data.arrays import ByteArray
from mnist.data.normalisation import Normalisation
from mnist.errors import MnistError, plain_errors
from mnist.files import load_json, load_numbers
from mnist.nn.activations import Activation, sigmoid
from mnist.nn.arrays import FloatArray
from mnist.nn.losses import Loss, binary_cross_entropy, squared_error
from mnist.nn.optimizers import SGD
from mnist.nn.training import Epoch
from mnist.recipe import ACTIVATIONS, LOSSES, NORMALIZERS, OPTIMIZERS, Recipe
from stages.evaluate import evaluate
from stages.pipeline import Workspace
from stages.prepare import prepare
from stages.train import train

RECIPE = Path("studies/recipes/notebook.yaml")
FOLDER = Path(".studies/notebook")

_BATCH = 100
_TEST_IMAGES = 10_000

PRINTED: dict[str, Any] = {
    "loss": {1: 351.04, 2: 247.25, 3: 193.37, 5: 143.85, 10: 98.79, 20: 69.36, 30: 56.79, 40: 49.43, 50: 44.48},
    "accuracy": {1: 0.53, 2: 0.66, 3: 0.73, 5: 0.80, 10: 0.86, 20: 0.90, 30: 0.92, 40: 0.94, 50: 0.94},
    "train accuracy": 0.96907,
    "test accuracy": 0.9428,
    "test loss": 4367.25,
}
"""The figures that the notebook printed: running means over the batches after an epoch, then the final figures."""


class MinMaxByPosition(Normalisation):
    """Scale each pixel at each position in a batch of 100 to 0..1, over all full batches in file order.

    The notebook was meant to use each pixel's minimum and range over all images. Instead it used the minimum and range
    of the 600 images that share a position in their batches. A range of zero counts as one.
    """

    @classmethod
    def fit(cls, images: ByteArray, /) -> Self:
        """Return the map for these training images (images, pixels), its offset and scale of shape (100, pixels)."""
        batches = images[: len(images) // _BATCH * _BATCH].reshape(-1, _BATCH, images.shape[1])
        lowest, highest = batches.min(axis=0).astype(np.float64), batches.max(axis=0)
        span = highest - lowest
        return cls(lowest, 1 / np.where(span == 0, 1, span))

    def __call__(self, pixels: ByteArray, out: FloatArray) -> FloatArray:
        """Write a batch of normalised `pixels` (100, pixels) into `out`; raises MnistError for another batch size."""
        if len(pixels) != _BATCH:
            raise MnistError(f"data.normalize = min_max_by_position: batch_size should be {_BATCH} and shards 1")
        return super().__call__(pixels, out)

    @property
    def for_prediction(self) -> Normalisation:
        """The map for images that the network is not trained on: the notebook leaves them as 0..255."""
        return Normalisation(np.array(0.0), np.array(1.0))


def _derivative_at_rounded_z(a: FloatArray, out: FloatArray) -> FloatArray:
    """r (1 - r) with r = sigmoid(z rounded to an integer, half to even), and z = log(a / (1 - a))."""
    # For a saturated unit z is infinite, and the derivative is 0.
    with np.errstate(divide="ignore"):
        np.rint(np.log(a) - np.log1p(-a), out=out)
    sigmoid(out, out=out)
    out *= 1 - out
    return out


def _delta_at_rounded_z(z: FloatArray, targets: FloatArray) -> FloatArray:
    """2 (a - y) r (1 - r) with r as above."""
    r = sigmoid(np.rint(z))
    delta: FloatArray = 2 * (sigmoid(z) - targets) * (r * (1 - r))
    return delta


def last_step(theta: FloatArray, velocity: FloatArray, gradient: FloatArray, eta: float, alpha: float) -> None:
    """theta <- theta - eta g + alpha v;  v <- -eta g: remembers only one gradient."""
    velocity *= alpha
    theta += velocity
    np.multiply(gradient, -eta, out=velocity)
    theta += velocity


NORMALIZERS["min_max_by_position"] = MinMaxByPosition
ACTIVATIONS["sigmoid_rounded_derivative"] = Activation(sigmoid.name, sigmoid.function, _derivative_at_rounded_z)
LOSSES["squared_error_shown_as_cross_entropy"] = Loss(sigmoid, binary_cross_entropy.value, squared_error.delta)
LOSSES["squared_error_rounded_derivative"] = Loss(sigmoid, binary_cross_entropy.value, _delta_at_rounded_z)
OPTIMIZERS["last_step"] = partial(SGD, rule=last_step)


def figures(workspace: Workspace) -> dict[str, Any]:
    """Return the figures of a finished run, arranged like PRINTED."""
    scores = load_json(workspace.scores)
    history = load_numbers(workspace.history, Epoch._fields)

    def running_mean(name: str, factor: float) -> dict[int, float]:
        sums = accumulate(factor * row[name] for row in history)
        return {epoch: total / epoch for epoch, total in enumerate(sums, start=1)}

    return {
        "loss": running_mean("train_loss", _BATCH),
        "accuracy": running_mean("train_accuracy", 1),
        "train accuracy": scores["train"]["accuracy"],
        "test accuracy": scores["test"]["accuracy"],
        "test loss": _TEST_IMAGES * scores["test"]["loss"],
    }


def main() -> None:
    """Run the procedure, print the figures."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with plain_errors():
        recipe, workspace = Recipe.load_overlay(RECIPE), Workspace(FOLDER)
        for stage in (prepare, train, evaluate):
            stage(recipe, workspace)
        here = figures(workspace)
        print(f"\n{'':32}{'the notebook':>14}{'here':>14}")
        for name in ("loss", "accuracy"):
            for epoch, printed in PRINTED[name].items():
                print(f"{f'running {name}, epoch {epoch}':32}{printed:14.2f}{here[name][epoch]:14.2f}")
        for name in ("train accuracy", "test accuracy", "test loss"):
            print(f"{f'{name}, raw images':32}{PRINTED[name]:14.4f}{here[name]:14.4f}")


if __name__ == "__main__":
    main()
