"""One seed, independent generators."""

from typing import get_args

import numpy as np
import pytest

from mnist.randomness import Purpose, generator

PURPOSES = get_args(Purpose)


def test_generators_are_the_children_that_numpy_spawns() -> None:
    children = np.random.SeedSequence(7).spawn(len(PURPOSES))
    for purpose, child in zip(PURPOSES, children, strict=True):
        np.testing.assert_array_equal(generator(7, purpose).random(4), np.random.default_rng(child).random(4))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_purpose_has_numbers_of_its_own_and_of_its_seed(purpose: Purpose) -> None:
    mine = generator(7, purpose).integers(2**63)
    assert mine == generator(7, purpose).integers(2**63)
    assert mine != generator(8, purpose).integers(2**63)
    assert all(mine != generator(7, other).integers(2**63) for other in PURPOSES if other != purpose)
