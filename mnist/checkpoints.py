"""Unfinished trainings to and from disk, so that one that is killed goes on exactly where it was."""

from pathlib import Path
from typing import Any

import numpy as np

from mnist.storage import ModelFileError, load_sealed, save_sealed
from mnist.training import Epoch, TrainingState


def save_checkpoint(path: Path, state: TrainingState) -> None:
    """Write all that a training goes on from; `state` is one between two epochs."""
    generators = {"shuffling": state.shuffling, "deformation": state.deformation}
    description = {
        "history": state.history,
        "generators": {name: generator.bit_generator.state for name, generator in generators.items()},
    }
    save_sealed(path, {"theta": state.network.theta, "velocity": state.velocity}, description)


def restore_checkpoint(path: Path, state: TrainingState) -> None:
    """Bring a training, just begun, to where the one was that `save_checkpoint` wrote.

    Raises
    ------
    ModelFileError
        The file is damaged, or of another network.
    OSError
        It cannot be read.
    """
    try:
        description, tensors = load_sealed(path)
        history = [Epoch(*epoch) for epoch in description["history"]]
        theta, velocity = tensors["theta"], tensors["velocity"]
        if not theta.shape == velocity.shape == state.velocity.shape:
            raise ModelFileError("it is of a network of another size")
        shuffling, deformation = (_generator(description["generators"][name]) for name in ("shuffling", "deformation"))
    except (ModelFileError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ModelFileError(f"{path}: is not a checkpoint of this training: {error}") from error
    # Nothing is changed before all of the file has proved good.
    state.network.theta[:], state.velocity[:], state.history[:] = theta, velocity, history
    state.shuffling, state.deformation = shuffling, deformation


def _generator(bit_generator_state: Any) -> np.random.Generator:
    bit_generator = np.random.PCG64()
    bit_generator.state = bit_generator_state
    return np.random.Generator(bit_generator)
