"""Small recipes and data sets for tests, independent of the values in params.yaml."""

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mnist.checked import merge, read_yaml
from mnist.data.arrays import ByteArray
from mnist.data.dataset import Dataset
from mnist.data.edges import FEATURES
from mnist.data.published import DATASETS, OWN
from mnist.nn.arrays import FloatArray
from mnist.novelty import Novelty, axes_for, novelty_network
from mnist.recipe import (
    ACTIVATIONS,
    INITIALIZERS,
    LOSSES,
    NORMALIZERS,
    OPTIMIZERS,
    ORDERS,
    REDUCTIONS,
    SCHEDULES,
    Recipe,
)

ROOT = Path(__file__).parents[1]

_PINNED: dict[str, Any] = {
    "seed": 1,
    "eta": 0.1,
    "alpha": 0.9,
    "epochs": 3,
    "batch_size": 20,
    "shards": 1,
    "optimizer": "nesterov",
    "schedule": "cosine",
    "weight_decay": 0.003,
    "loss": "softmax_cross_entropy",
    "reduction": "mean",
    "negligible": 0,
    "order": "shuffled",
    "data": {"dataset": "mnist", "validation": 50, "normalize": "unit"},
    "network": {
        "hidden": [12],
        "activation": "relu",
        "bias": False,
        "initializer": "he_normal",
        "dtype": "float32",
    },
    "deformation": {
        "rotation": 0,
        "scaling": 0,
        "shear": 0,
        "shift": 0,
        "elastic": 0,
        "smoothness": 4,
        "fading": 0,
    },
}

VALUES = merge(read_yaml(ROOT / "params.yaml"), _PINNED)
"""The YAML values of a recipe that trains in a moment; a new key of the project gets its value from params.yaml."""


TABLES: dict[str, dict[str, Any]] = {
    "optimizer": {**OPTIMIZERS},
    "schedule": {**SCHEDULES},
    "loss": {**LOSSES},
    "reduction": {**REDUCTIONS},
    "order": {**ORDERS},
    "data.dataset": {**DATASETS, OWN: None},
    "data.normalize": {**NORMALIZERS},
    "network.activation": {**ACTIVATIONS},
    "network.initializer": {**INITIALIZERS},
}
"""The tables of the recipe before a test imports a study that adds entries to them."""


def recipe(**changes: Any) -> Recipe:
    """Return the recipe of VALUES with some changed, group by group: `recipe(eta=1, network={"hidden": [5]})`."""
    return Recipe.check("the recipe of a test", merge(VALUES, changes))


def random_digits(count: int, seed: int = 0) -> Dataset:
    """Return images that a network can learn: noise, with a bright bar whose place gives the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    images = rng.integers(0, 60, (count, 28, 28), dtype=np.uint8)
    images[np.arange(count), 2 * labels + 4] += 150
    return Dataset(images.reshape(count, 784), labels.astype(np.uint8))


def distances(images: ByteArray, others: ByteArray) -> FloatArray:
    """Return the Euclidean distances (n, m) between images (n, 784) and (m, 784), whose pixels count as 0 to 1."""
    lengths: FloatArray = np.linalg.norm(images[:, None] / 255 - others / 255, axis=-1)
    return lengths


def damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """Return a damaged copy of a file: cut off, with something added, or with some bytes changed."""
    place, some = st.integers(0, len(data) - 1), st.binary(min_size=1, max_size=4)
    return st.one_of(
        place.map(lambda end: data[:end]),
        some.map(lambda more: data + more),
        st.builds(lambda at, new: data[:at] + new + data[at + len(new) :], place, some),
    )


def some_novelty(classes: int = 10) -> Novelty:
    """Return a score of random weights, for models whose score does not matter."""
    rng = np.random.default_rng(0)
    network = novelty_network(classes)
    network.theta[:] = rng.normal(0, 0.1, network.theta.size)
    means = rng.random((classes, FEATURES), np.float32)
    axes = rng.random((classes, axes_for(classes), FEATURES), np.float32) / 100
    return Novelty(network, 0.1, 2.0, means, axes, np.full(classes, 3, np.float32), np.array([0.2, 0.25, 0.1]), -1.5)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)
