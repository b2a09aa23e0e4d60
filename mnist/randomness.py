"""One seed, an independent random generator for each purpose, so that changing one purpose does not move the others."""

from typing import Literal, TypeAlias

import numpy as np

Purpose: TypeAlias = Literal["split", "weights", "shuffling", "deformation"]

# A purpose's number is part of every recorded result: add new ones at the end, never renumber.
_SPAWN_KEYS: dict[Purpose, int] = {"split": 0, "weights": 1, "shuffling": 2, "deformation": 3}


def generator(seed: int, purpose: Purpose) -> np.random.Generator:
    """Return the generator that `seed` gives for one purpose.

    The generators are the children that `numpy.random.SeedSequence(seed).spawn` would give, in the order of the table.

    Parameters
    ----------
    seed : int
        Zero or more.
    purpose : {"split", "weights", "shuffling", "deformation"}
        What the random numbers are for.

    Returns
    -------
    numpy.random.Generator
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SPAWN_KEYS[purpose],)))
