"""The work of a worker in tests: some trials misbehave."""

import os
import time

from mnist.data.dataset import Prepared
from mnist.recipe import Recipe
from studies.sweep.trial import Leg, advance

# The rotation decides how a trial with this eta misbehaves; with other rotations it trains.
ODD_ETA = 0.05
RAISES, HANGS, HOLDS_THE_INTERPRETER, KILLS_ITS_WORKER = 1, 2, 3, 4


def work(prepared: Prepared, recipe: Recipe, state: bytes | None, epochs: int) -> Leg:
    """Train like `advance`, except for trials that misbehave."""
    if recipe.eta == ODD_ETA:
        match int(recipe.deformation.rotation):
            case 1:
                raise RuntimeError("a fault of the code")
            case 2:
                time.sleep(10_000)
            case 3:
                pow(7, 10**8)
            case 4:
                os._exit(1)
    return advance(prepared, recipe, state, epochs)
