"""A trial is a pure function, and gives what the pipeline gives of the same recipe."""

from pathlib import Path

import numpy as np
import pytest

from mnist import idx
from mnist.hyperparameters import Hyperparameters
from mnist.sources import TRAIN_IMAGES, TRAIN_LABELS
from mnist.storage import ModelFileError
from mnist.training import DivergedError
from recipes.runs import trained
from stages.command import RAW
from sweeps.trial import advance, prepare
from tests.recipe import recipe
from tests.sweeps.faults import DIGITS


def small(**changes: object) -> Hyperparameters:
    return recipe(**{"hidden": [8], "batch_size": 20, "validation": 50, "epochs": 4, "rotation": 10} | changes)


def test_a_trial_that_is_promoted_goes_on_as_if_never_stopped() -> None:
    recipes = [small(seed=1), small(seed=2)]
    whole = advance(DIGITS, recipes, None, 4)
    leg = advance(DIGITS, recipes, None, 1)
    for epochs in (2, 2, 4):
        leg = advance(DIGITS, recipes, leg.states, epochs)
    assert leg.states == whole.states
    assert (leg.losses, leg.accuracies) == (whole.losses, whole.accuracies)


def test_a_trial_changes_nothing_that_it_is_given() -> None:
    images = DIGITS.all.images.copy()
    start = advance(DIGITS, [small()], None, 1)
    kept = list(start.states)
    first = advance(DIGITS, [small()], start.states, 3)
    again = advance(DIGITS, [small()], start.states, 3)
    assert start.states == kept
    assert first.states == again.states != start.states
    assert np.array_equal(DIGITS.all.images, images)


@pytest.mark.parametrize("normalize", ["unit", "standardize"])
def test_a_trial_gives_what_the_pipeline_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, normalize: str) -> None:
    parameters = small(normalize=normalize, seed=5)
    monkeypatch.chdir(tmp_path)
    RAW.mkdir(parents=True)
    (RAW / TRAIN_IMAGES).write_bytes(idx.encode(DIGITS.all.images.reshape(-1, 28, 28)))
    (RAW / TRAIN_LABELS).write_bytes(idx.encode(DIGITS.all.labels))
    with trained(parameters) as training:
        last = training.history[-1]
    leg = advance(DIGITS, [parameters], None, parameters.epochs)
    assert (leg.losses, leg.accuracies) == ([last.validation_loss], [last.validation_accuracy])


def test_what_is_held_back_is_in_no_training_set() -> None:
    prepared = prepare(DIGITS, 3, 50, "unit")
    assert len(prepared.validation) == 50
    together = np.concatenate([prepared.training.images, prepared.validation.images])
    assert sorted(map(bytes, together)) == sorted(map(bytes, DIGITS.all.images))


def test_a_trial_that_diverges_says_so() -> None:
    with pytest.raises(DivergedError, match="training diverged in epoch 1"):
        advance(DIGITS, [small(eta=1e9)], None, 1)


def test_a_damaged_state_is_no_start() -> None:
    leg = advance(DIGITS, [small()], None, 1)
    with pytest.raises(ModelFileError):
        advance(DIGITS, [small()], [leg.states[0][:-1]], 2)
