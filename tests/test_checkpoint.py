"""Checkpoints: after any epoch, a training resumes to the same bits; it rejects files of other trainings."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from mnist import checkpoint
from mnist.checkpoint import encode_checkpoint, locked, restore_checkpoint
from mnist.data.batches import Batches, batches_of
from mnist.nn.training import Training
from mnist.recipe import OPTIMIZERS
from mnist.sealed import ModelFileError, decode_sealed, encode_sealed
from tests.helpers import damaged, random_digits, recipe

DEFORMED = {"rotation": 10, "elastic": 1, "shift": 1}
IN_2001 = 1_000_000_000


def start(**changes: Any) -> tuple[Training, Batches]:
    """Return a new training of a small network, and its batches."""
    small = recipe(**{"network": {"hidden": [5]}} | changes)
    return small.start(small.prepare(random_digits(130 + small.data.validation)))


def complete(training: Training, batches: Batches) -> list[bytes]:
    """Train to the end, and return the checkpoint after each epoch."""
    validation = list(batches_of(random_digits(30, seed=1), batches.normalisation, batches.dtype))
    progress = training.run(batches, validation)
    return [encode_checkpoint(training, batches) for _, _, is_complete in progress if is_complete]


def everything(training: Training, batches: Batches) -> Any:
    """Return everything that a training needs to continue, and its results."""
    arrays = {name: values.tobytes() for name, values in training.optimizer.state.items()}
    generators = {name: generator.bit_generator.state for name, generator in batches.generators.items()}
    return training.network.theta.tobytes(), arrays, generators, str(training.history)


WHOLE = complete(*start(epochs=1))[0]
"""A checkpoint of `start()` after one epoch."""


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "changes",
    [
        {"deformation": DEFORMED, "schedule": "linear"},
        {"network": {"hidden": [5], "dtype": "float64", "bias": True}, "order": "file", "weight_decay": 0.01},
    ],
    ids=["deformed", "float64"],
)
def test_training_resumes_to_the_same_bits_from_after_every_epoch(changes: dict[str, Any], optimizer: str) -> None:
    undisturbed = start(optimizer=optimizer, **changes)
    checkpoints = complete(*undisturbed)
    assert len(checkpoints) == 3
    for epochs, data in enumerate(checkpoints, start=1):
        resumed = start(optimizer=optimizer, **changes)
        restore_checkpoint(data, *resumed)
        assert encode_checkpoint(*resumed) == data
        assert len(resumed[0].history) == epochs
        complete(*resumed)
        assert everything(*resumed) == everything(*undisturbed)


def test_epochs_without_validation_come_back() -> None:
    undisturbed, resumed = start(epochs=1), start(epochs=1)
    list(undisturbed[0].run(undisturbed[1], []))
    restore_checkpoint(encode_checkpoint(*undisturbed), *resumed)
    np.testing.assert_array_equal(resumed[0].history, undisturbed[0].history)
    assert np.isnan(resumed[0].history[0].validation_loss)


def assert_rejected(data: bytes, fault: str, training: Training, batches: Batches) -> None:
    before = everything(training, batches)
    with pytest.raises(ModelFileError, match=rf"is not a checkpoint of this training: .*({fault})"):
        restore_checkpoint(data, training, batches)
    assert everything(training, batches) == before


@pytest.mark.parametrize(
    "network", [{"hidden": [6]}, {"hidden": [5], "bias": True}, {"hidden": [5], "dtype": "float64"}], ids=str
)
def test_a_checkpoint_of_another_network_is_rejected_and_changes_nothing(network: dict[str, Any]) -> None:
    assert_rejected(WHOLE, "other names, shapes or types than those of this network", *start(network=network))


@pytest.mark.parametrize("names", [["velocity", "second moment"], ["second moment"], []])
def test_a_checkpoint_of_another_optimizer_is_rejected_and_changes_nothing(names: list[str]) -> None:
    training, batches = start()
    training.optimizer.state = {name: np.zeros_like(training.network.theta) for name in names}
    assert_rejected(WHOLE, "other names, shapes or types than those of this network", training, batches)


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
def test_a_sealed_file_that_is_not_a_checkpoint_is_rejected_and_changes_nothing(
    description: dict[str, Any], fault: str
) -> None:
    described, tensors = decode_sealed(WHOLE)
    assert_rejected(encode_sealed(tensors, described | description), fault, *start())


@settings(max_examples=100)
@given(damaged(WHOLE))
def test_a_damaged_checkpoint_is_rejected_and_changes_nothing(data: bytes) -> None:
    training, batches = start()
    before = everything(training, batches)
    try:
        restore_checkpoint(data, training, batches)
    except ModelFileError:
        assert everything(training, batches) == before
    else:
        assert encode_checkpoint(training, batches) == WHOLE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the checkpoints: it is in the main workspace, wherever DVC runs the stage."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(checkpoint, "_PAUSE", 0)
    return tmp_path / ".checkpoints"


def test_a_checkpoint_is_saved_when_due_restored_and_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    training, batches = start()
    with locked("some") as kept:
        kept.restore(training, batches)
        assert training.history == []
        complete(training, batches)
        kept.save_if_due(training, batches)
    resumed = start()
    with locked("some") as kept:
        kept.restore(*resumed)
        assert everything(*resumed) == everything(training, batches)
        kept.remove()
        monkeypatch.setattr(checkpoint, "_PAUSE", 1e6)
    with locked("some") as kept:
        kept.save_if_due(training, batches)
    assert [path.name for path in folder.iterdir()] == ["some.lock"]
    assert capsys.readouterr().out == f"resumes after epoch 3, from {folder}/some.safetensors\n"


def test_saving_takes_a_bounded_part_of_the_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0, 0, 5, 400, 504, 506, 600])
    monkeypatch.setattr("mnist.checkpoint.time.monotonic", lambda: next(clock))
    training = start()
    with locked("some") as kept:  # made at 0
        kept.save_if_due(*training)  # from 0 to 5: the next one is due at 505
        (folder / "some.safetensors").unlink()
        kept.save_if_due(*training)  # at 400
        kept.save_if_due(*training)  # at 504
        assert not (folder / "some.safetensors").exists()
        kept.save_if_due(*training)  # from 506 to 600
        assert (folder / "some.safetensors").exists()


def test_a_damaged_checkpoint_is_set_aside_with_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.mkdir()
    (folder / "some.safetensors").write_bytes(WHOLE[:-1])
    training, batches = start()
    before = everything(training, batches)
    with locked("some") as kept:
        kept.restore(training, batches)
    assert everything(training, batches) == before
    assert {path.name for path in folder.iterdir()} == {"some.damaged", "some.lock"}
    error = capsys.readouterr().err
    assert error.startswith(f"warning: {folder}/some.safetensors: is not a checkpoint of this training: ")
    assert error.endswith("set aside as some.damaged, training starts over\n")


def test_a_second_process_with_the_same_training_waits_for_the_first(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    entered, messages = threading.Event(), ""

    def wait() -> None:
        with locked("some"):
            entered.set()

    second = threading.Thread(target=wait)
    with locked("some"):
        with locked("other"):
            pass
        second.start()
        while "another process is training exactly this; waiting for it to end" not in messages:
            assert second.is_alive()
            time.sleep(0.01)
            messages += capfd.readouterr().err
        assert not entered.is_set()
    second.join()
    assert entered.is_set()
    assert folder.exists()
