"""Reads and checks params.yaml; the only module that turns a name in it into a Python object."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
from pydantic import BeforeValidator, ConfigDict, Field, StrictBool

from mnist.checked import CheckedFile, Count, Keys, Number, RecipeError, key_of, merge, read_yaml, reject_bool
from mnist.data.batches import Batches, Order, in_file_order, shuffled
from mnist.data.dataset import PIXELS, Dataset, Prepared, stratified_split
from mnist.data.deformation import Deformation
from mnist.data.normalisation import Normalisation, Standardize, Unit
from mnist.data.published import DATASETS, OWN
from mnist.nn.activations import Activation, relu, sigmoid, tanh
from mnist.nn.arrays import FloatArray
from mnist.nn.initializers import he_normal, lecun_normal, standard_normal
from mnist.nn.losses import Loss, binary_cross_entropy, mean, softmax_cross_entropy, squared_error, total
from mnist.nn.network import Network
from mnist.nn.optimizers import SGD, Optimizer, heavy_ball, nesterov
from mnist.nn.schedules import constant, cosine, linear
from mnist.nn.training import Training

PARAMS = Path("params.yaml")

NORMALIZERS: dict[str, type[Normalisation]] = {"unit": Unit, "standardize": Standardize}
ORDERS: dict[str, Order] = {"shuffled": shuffled, "file": in_file_order}
ACTIVATIONS: dict[str, Activation] = {"relu": relu, "tanh": tanh, "sigmoid": sigmoid}
INITIALIZERS: dict[str, Callable[[np.random.Generator, int, int], FloatArray]] = {
    "he_normal": he_normal,
    "lecun_normal": lecun_normal,
    "standard_normal": standard_normal,
}
LOSSES: dict[str, Loss] = {
    "softmax_cross_entropy": softmax_cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "squared_error": squared_error,
}
REDUCTIONS: dict[str, Callable[[int], float]] = {"mean": mean, "sum": total}
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "nesterov": partial(SGD, rule=nesterov),
    "heavy_ball": partial(SGD, rule=heavy_ball),
}
"""(theta, alpha=, weight_decay=) -> the optimizer."""
SCHEDULES: dict[str, Callable[[float], float]] = {"cosine": cosine, "linear": linear, "constant": constant}

Purpose: TypeAlias = Literal["split", "weights", "shuffling", "deformation", "novelty"]

# The number of a purpose affects every recorded result: add new purposes at the end, never renumber.
_SPAWN_KEYS: dict[Purpose, int] = {"split": 0, "weights": 1, "shuffling": 2, "deformation": 3, "novelty": 4}


class DataKeys(Keys):
    """`data:` in params.yaml."""

    dataset: Annotated[str, key_of({**DATASETS, OWN: None})] = Field(
        description="mnist: handwritten digits; fashion-mnist: clothes; own: your images in data/own"
    )
    validation: Count = Field(ge=0, description="training images held back to measure progress; 0: none")
    normalize: Annotated[str, key_of(NORMALIZERS)] = Field(
        description="pixels 0..255 -> unit: 0..1; standardize: mean 0, standard deviation 1"
    )


class NetworkKeys(Keys):
    """`network:` in params.yaml."""

    hidden: list[Annotated[int, Field(ge=1, le=100_000), BeforeValidator(reject_bool)]] = Field(
        max_length=100, description="width of each hidden layer; []: no hidden layer"
    )
    activation: Annotated[str, key_of(ACTIVATIONS)] = Field(description="function that each hidden layer applies")
    bias: StrictBool = Field(description="true: each layer adds a bias")
    initializer: Annotated[str, key_of(INITIALIZERS)] = Field(
        description="variance of initial weights: he_normal: 2 / fan-in; lecun_normal: 1 / fan-in; standard_normal: 1"
    )
    dtype: Literal["float32", "float64"] = Field(description="precision of all arithmetic")


class DeformationKeys(Keys):
    """`deformation:` in params.yaml: how far each epoch deforms each training image."""

    rotation: Number = Field(ge=0, le=180, description="largest rotation, in degrees; 0: off")
    scaling: Number = Field(ge=0, lt=1, description="largest change of height and width, as a fraction; 0: off")
    shear: Number = Field(ge=0, le=1, description="largest sideways slant, as a fraction of the height; 0: off")
    shift: Number = Field(ge=0, le=28, description="largest shift per direction, in pixels; 0: off")
    elastic: Number = Field(
        ge=0, le=28, description="warping: standard deviation of each point's shift per direction, in pixels; 0: off"
    )
    smoothness: Number = Field(gt=0, le=28, description="distance over which points shift alike, in pixels")
    fading: Number = Field(
        ge=0, le=1, description="fraction of all deformations that is gone at the end of training; 0: none"
    )


class Recipe(CheckedFile):
    """A complete set of hyperparameters: what to prepare, what to build, how to train it.

    No key has a default here: params.yaml gives all values of a run.
    """

    model_config = ConfigDict(title="Hyperparameters of the MNIST pipeline")

    seed: Count = Field(ge=0, lt=2**63, description="all random choices start from this number")
    eta: Number = Field(gt=0, description="learning rate")
    alpha: Number = Field(ge=0, lt=1, description="momentum: fraction of the last update in the next one; 0: none")
    epochs: Count = Field(ge=1, le=1_000_000, description="passes over the training images")
    batch_size: Count = Field(ge=1, description="images in one update")
    shards: Count = Field(ge=1, le=64, description="parts of each batch; one process for each can train on them")
    optimizer: Annotated[str, key_of(OPTIMIZERS)] = Field(description="how a gradient changes the weights")
    schedule: Annotated[str, key_of(SCHEDULES)] = Field(description="how eta decreases to 0; constant: it does not")
    weight_decay: Number = Field(
        ge=0, le=1, description="each update reduces all weights and biases by eta times this fraction; 0: none"
    )
    loss: Annotated[str, key_of(LOSSES)] = Field(description="the function that training minimises")
    reduction: Annotated[str, key_of(REDUCTIONS)] = Field(
        description="an update uses the mean or the sum of the gradients of a batch"
    )
    negligible: Number = Field(
        ge=0, lt=1, description="training skips images without an output error above this; 0: it skips none"
    )
    order: Annotated[str, key_of(ORDERS)] = Field(
        description="shuffled: a new order in each epoch; file: the order of the file, without a partial last batch"
    )
    data: DataKeys = Field(description="the images that the network learns from")
    network: NetworkKeys = Field(description="784 pixels - hidden layers - one output for each class")
    deformation: DeformationKeys = Field(description="how far each epoch deforms each training image")

    @classmethod
    def load_overlay(cls, path: Path, base: Path = PARAMS) -> Self:
        """Return the recipe of a file that holds only the differences from params.yaml; raises as `check`."""
        return cls.check(path, merge(read_yaml(base), read_yaml(path)))

    def changed(self, source: object, changes: dict[str, Any]) -> Self:
        """Return the recipe with some values changed, group by group; raises RecipeError, which names `source`."""
        return self.check(source, merge(self.model_dump(), changes))

    def generator(self, purpose: Purpose) -> np.random.Generator:
        """Return the random generator for one purpose: a change of one purpose does not affect the others.

        The generators are the children that `numpy.random.SeedSequence(seed).spawn` returns, in the order of the table.
        """
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(_SPAWN_KEYS[purpose],)))

    def prepare(self, digits: Dataset) -> Prepared:
        """Split the training images, and fit the normalisation; raises DatasetError if no training images are left."""
        held_back = stratified_split(digits, self.data.validation, self.generator("split"))
        training, validation = digits[~held_back], digits[held_back]
        normalisation = NORMALIZERS[self.data.normalize].fit(training.images)
        return Prepared(training, validation, normalisation.offset, normalisation.scale)

    def normalisation(self, prepared: Prepared) -> Normalisation:
        """Return the normalisation that was fitted to the training images."""
        return NORMALIZERS[self.data.normalize](prepared.offset, prepared.scale)

    def start(self, prepared: Prepared) -> tuple[Training, Batches]:
        """Return a training before its first epoch, and its batches; raises RecipeError if a batch is too large."""
        if self.batch_size > len(prepared.training):
            raise RecipeError(
                f"batch_size = {self.batch_size}: should be at most {len(prepared.training)}, the training images that "
                f"data.validation = {self.data.validation} leaves"
            )
        if self.shards > self.batch_size:
            raise RecipeError(f"shards = {self.shards}: should be at most batch_size = {self.batch_size}")
        loss, schedule, keys = LOSSES[self.loss], SCHEDULES[self.schedule], self.network
        sizes = (PIXELS, *keys.hidden, len(prepared.training.class_names))
        network = Network(sizes, ACTIVATIONS[keys.activation], loss.output, bias=keys.bias, dtype=keys.dtype)
        network.initialize(INITIALIZERS[keys.initializer], self.generator("weights"))
        training = Training(
            network=network,
            optimizer=OPTIMIZERS[self.optimizer](network.theta, alpha=self.alpha, weight_decay=self.weight_decay),
            loss=loss,
            eta=lambda progress: self.eta * schedule(progress),
            epochs=self.epochs,
            reduction=REDUCTIONS[self.reduction],
            negligible=self.negligible,
            shards=self.shards,
        )
        batches = Batches(
            dataset=prepared.training,
            normalisation=self.normalisation(prepared),
            deformation=Deformation(**self.deformation.model_dump()),
            order=ORDERS[self.order],
            batch_size=self.batch_size,
            dtype=keys.dtype,
            generators={"shuffling": self.generator("shuffling"), "deformation": self.generator("deformation")},
            shards=self.shards,
        )
        return training, batches


if __name__ == "__main__":
    print(json.dumps(Recipe.model_json_schema(), indent=2))
