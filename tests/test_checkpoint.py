"""Checkpoints: a training goes on to the same bits from after any epoch, and from nothing that is damaged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnist.checkpoints import restore_checkpoint, save_checkpoint
from mnist.hyperparameters import Hyperparameters
from mnist.normalisation import unit
from mnist.storage import ModelFileError, load_sealed, save_sealed
from mnist.training import TrainingState, train
from tests.recipe import random_digits, recipe
from tests.test_idx import damaged

TRAINING, VALIDATION = random_digits(230), random_digits(50, seed=1)
DEFORMED = {"rotation": 10, "elastic": 1, "shift": 1}


def small(**changes: Any) -> Hyperparameters:
    return recipe(**{"hidden": [5], "batch_size": 20, "epochs": 4, **changes})


def begun(parameters: Hyperparameters) -> TrainingState:
    return TrainingState.initial(parameters, unit([]))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a place for one file, shared because Hypothesis does not make a new one for each example."""
    return tmp_path_factory.mktemp("checkpoints") / "some.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a checkpoint of `small()` after one epoch."""
    place = tmp_path_factory.mktemp("checkpoints") / "whole.safetensors"
    state = begun(small())
    for progress in train(state, TRAINING, VALIDATION, small()):
        if progress.epoch == len(state.history):
            break
    save_checkpoint(place, state)
    return place.read_bytes()


def everything(state: TrainingState) -> Any:
    generators = [state.shuffling.bit_generator.state, state.deformation.bit_generator.state]
    return state.network.theta.tobytes(), state.velocity.tobytes(), generators, state.history


@pytest.mark.parametrize(
    "changes",
    [
        {},
        DEFORMED,
        {"dtype": "float64", "momentum": "last_step", "order": "file"},
        {"bias": True, "momentum": "heavy_ball", "schedule": "linear", "weight_decay": 0.01},
    ],
    ids=str,
)
def test_training_goes_on_to_the_same_bits_from_after_every_epoch(changes: dict[str, Any], path: Path) -> None:
    parameters = small(**changes)
    whole = begun(parameters)
    after = []
    for progress in train(whole, TRAINING, VALIDATION, parameters):
        if progress.epoch == len(whole.history):
            save_checkpoint(path, whole)
            after.append(path.read_bytes())
    assert len(after) == parameters.epochs
    for epochs, data in enumerate(after, start=1):
        path.write_bytes(data)
        state = begun(parameters)
        restore_checkpoint(path, state)
        assert len(state.history) == epochs
        for _ in train(state, TRAINING, VALIDATION, parameters):
            pass
        assert everything(state) == everything(whole)


def test_epochs_without_validation_come_back(path: Path) -> None:
    state = begun(small(epochs=1))
    for _ in train(state, TRAINING, random_digits(0), small(epochs=1)):
        pass
    save_checkpoint(path, state)
    again = begun(small(epochs=1))
    restore_checkpoint(path, again)
    np.testing.assert_array_equal(np.array(again.history), np.array(state.history))


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_checkpoint_is_refused_and_changes_nothing(whole: bytes, path: Path, data: st.DataObject) -> None:
    path.write_bytes(data.draw(damaged(whole)))
    state = begun(small())
    before = everything(state)
    try:
        restore_checkpoint(path, state)
    except ModelFileError:
        assert everything(state) == before
    else:
        assert len(state.history) == 1


@pytest.mark.parametrize(
    ("description", "fault"),
    [
        ({"history": None}, "NoneType"),
        ({"history": [[1, 2]]}, "missing 4 required"),
        ({"generators": {}}, "shuffling"),
        ({"generators": {"shuffling": {"bit_generator": "MT19937"}, "deformation": {}}}, "PCG64|state"),
        ({"generators": {"shuffling": np.random.default_rng(0).bit_generator.state, "deformation": {}}}, "state"),
        ({"generators": {"shuffling": 3, "deformation": 4}}, "dict"),
    ],
)
def test_a_whole_file_that_is_no_checkpoint_is_refused(
    description: dict[str, Any], fault: str, whole: bytes, path: Path
) -> None:
    path.write_bytes(whole)
    written, tensors = load_sealed(path)
    save_sealed(path, tensors, json.loads(json.dumps(written)) | description)
    state = begun(small())
    before = everything(state)
    with pytest.raises(ModelFileError, match=rf"some\.safetensors: is not a checkpoint of this training: .*({fault})"):
        restore_checkpoint(path, state)
    assert everything(state) == before


def test_a_checkpoint_of_another_network_is_refused(whole: bytes, path: Path) -> None:
    path.write_bytes(whole)
    with pytest.raises(ModelFileError, match="it is of a network of another size"):
        restore_checkpoint(path, begun(small(hidden=[6])))
