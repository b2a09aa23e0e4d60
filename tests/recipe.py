"""Small recipes and data sets for tests, which do not depend on what params.yaml says just now."""

from pathlib import Path
from typing import Any

import numpy as np

from mnist.dataset import Dataset
from mnist.hyperparameters import Hyperparameters

ROOT = Path(__file__).parent.parent
NUMBERS = [
    "eta",
    "alpha",
    "weight_decay",
    "rotation",
    "scaling",
    "shear",
    "shift",
    "elastic",
    "smoothness",
    "fading",
    "negligible",
]

DEFAULT: dict[str, Any] = {
    "seed": 1,
    "dataset": "mnist",
    "validation": 5000,
    "normalize": "unit",
    "hidden": [100, 100],
    "activation": "relu",
    "bias": False,
    "initializer": "he_normal",
    "dtype": "float32",
    "loss": "softmax_cross_entropy",
    "reduction": "mean",
    "weight_decay": 0.003,
    "eta": 0.1,
    "alpha": 0.9,
    "momentum": "nesterov",
    "schedule": "cosine",
    "epochs": 20,
    "batch_size": 100,
    "negligible": 0,
    "order": "shuffled",
    "rotation": 0,
    "scaling": 0,
    "shear": 0,
    "shift": 0,
    "elastic": 0,
    "smoothness": 4,
    "fading": 0,
    "evaluation_images": "normalized",
}


def recipe(**changes: Any) -> Hyperparameters:
    """Return the default recipe with some values changed, checked like a file."""
    return Hyperparameters.model_validate(DEFAULT | changes)


def random_digits(count: int, seed: int = 0) -> Dataset:
    """Return images that can be learnt: noise, with a bright bar whose place tells the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    images = rng.integers(0, 60, (count, 28, 28), dtype=np.uint8)
    images[np.arange(count), 2 * labels + 4] += 150
    return Dataset(images.reshape(count, 784), labels.astype(np.uint8))
