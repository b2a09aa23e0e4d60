"""Small recipes and data sets for tests: the shipped params.yaml with a few values changed."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mnist.dataset import Dataset
from mnist.hyperparameters import Hyperparameters

ROOT = Path(__file__).parent.parent


def recipe(**changes: Any) -> Hyperparameters:
    """Return the default recipe with some values changed, checked like a file."""
    values = yaml.safe_load((ROOT / "params.yaml").read_bytes())
    return Hyperparameters.model_validate(values | changes)


def random_digits(count: int, seed: int = 0) -> Dataset:
    """Return images that can be learnt: noise, with a bright bar whose place tells the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    images = rng.integers(0, 60, (count, 28, 28), dtype=np.uint8)
    images[np.arange(count), 2 * labels + 4] += 150
    return Dataset(images.reshape(count, 784), labels.astype(np.uint8))
