"""The training loop: one update by hand, the same bits twice, resuming, divergence, what each option changes."""

import math
import sys
from typing import Any

import numpy as np
import pytest

from mnist.dataset import Dataset, DatasetError, one_hot
from mnist.hyperparameters import Hyperparameters
from mnist.losses import LOSSES
from mnist.normalisation import unit
from mnist.optimizers import MOMENTUM_RULES
from mnist.training import DivergedError, Epoch, Progress, TrainingState, train
from tests.recipe import random_digits, recipe

TRAINING, VALIDATION = random_digits(230), random_digits(50, seed=1)
NOTHING = Dataset(np.empty((0, 784), np.uint8), np.empty(0, np.uint8))


def small(**changes: Any) -> Hyperparameters:
    return recipe(**({"hidden": [12], "batch_size": 20, "epochs": 3, "dtype": "float64"} | changes))


def trained(parameters: Hyperparameters, training: Dataset = TRAINING) -> TrainingState:
    state = TrainingState.initial(parameters, unit([]))
    for _ in train(state, training, VALIDATION, parameters):
        pass
    return state


@pytest.mark.parametrize(("reduction", "weight"), [("mean", 1 / 20), ("sum", 1)])
def test_an_update_is_eta_times_the_reduced_gradient_and_the_decay(reduction: str, weight: float) -> None:
    changes = {"reduction": reduction, "eta": 0.01, "weight_decay": 0.1, "momentum": "heavy_ball", "epochs": 1}
    parameters = small(**changes)
    batch = Dataset(TRAINING.images[:20], TRAINING.labels[:20])
    state = TrainingState.initial(parameters, unit([]))
    before = state.network.theta.copy()
    layers = state.network.forward(batch.images)
    delta = LOSSES[parameters.loss].delta(*layers[-1], one_hot(batch.labels, "float64"), "softmax")
    gradient = state.network.backward(layers, delta).copy()

    list(train(state, batch, VALIDATION, parameters))
    np.testing.assert_allclose(state.network.theta, before * (1 - 0.01 * 0.1) - 0.01 * weight * gradient, rtol=1e-12)


@pytest.mark.parametrize("negligible", [0, 0.05, 0.9])
def test_only_an_image_with_an_error_above_the_negligible_teaches(negligible: float) -> None:
    # Two images of one lit pixel each: the network is sure of the first, and has no idea of the second.
    two = Dataset(255 * np.eye(2, 784, dtype=np.uint8), np.array([0, 1], np.uint8))
    changes = {"hidden": [], "momentum": "heavy_ball", "weight_decay": 0, "batch_size": 2, "epochs": 1}
    parameters = small(negligible=negligible, **changes)
    state = TrainingState.initial(parameters, unit([]))
    (weights,) = state.network.weights
    weights[:] = 0
    weights[0, 0] = 10

    list(train(state, two, NOTHING, parameters))
    sure = math.exp(10) / (math.exp(10) + 9)  # an error of 0.0004
    assert weights[0, 0] - 10 == pytest.approx(0 if negligible else 0.1 / 2 * (1 - sure), abs=1e-12)
    # An error of 0.9; the mean is that of both images, whether or not both teach.
    assert weights[1, 1] == pytest.approx(0.1 / 2 * 0.9 if negligible < 0.9 else 0)


def test_no_error_is_small_enough_to_change_the_bits_where_all_images_teach() -> None:
    assert trained(small(negligible=1e-300)).network.theta.tobytes() == trained(small()).network.theta.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_seed_gives_the_same_bits_and_another_does_not(dtype: str) -> None:
    first, second, other = (trained(small(dtype=dtype, seed=seed)) for seed in (1, 1, 2))
    assert first.network.theta.tobytes() == second.network.theta.tobytes()
    assert first.history == second.history
    assert first.network.theta.tobytes() != other.network.theta.tobytes()


def test_training_learns_what_can_be_learnt() -> None:
    history = trained(small(epochs=20)).history
    assert [epoch.epoch for epoch in history] == list(range(1, 21))
    assert history[-1].train_loss < history[0].train_loss / 5
    assert history[-1].validation_accuracy == 1


@pytest.mark.parametrize("change", [{"rotation": 10}, {"scaling": 0.1}, {"shear": 0.1}, {"shift": 1}, {"elastic": 1}])
def test_every_kind_of_deformation_reaches_training(change: dict[str, Any]) -> None:
    assert trained(small(**change)).network.theta.tobytes() != trained(small()).network.theta.tobytes()
    assert trained(small(**change)).network.theta.tobytes() == trained(small(**change)).network.theta.tobytes()


def test_deformations_are_drawn_afresh_for_every_epoch_and_move_nothing_else() -> None:
    plain, deformed = trained(small()), trained(small(elastic=1))
    assert deformed.shuffling.bit_generator.state == plain.shuffling.bit_generator.state
    assert (
        plain.deformation.bit_generator.state
        == TrainingState.initial(small(), unit([])).deformation.bit_generator.state
    )
    # One image: without an update, only its deformations can make its loss another one in every epoch.
    one = Dataset(TRAINING.images[:1], TRAINING.labels[:1])
    state = TrainingState.initial(small(elastic=1, eta=1e-300, batch_size=1), unit([]))
    list(train(state, one, NOTHING, small(elastic=1, eta=1e-300, batch_size=1)))
    assert len({epoch.train_loss for epoch in state.history}) == 3


@pytest.mark.parametrize("batch_size", [1, 7, 230])
def test_an_epoch_is_the_same_updates_however_many_images_are_prepared_at_a_time(
    batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = small(batch_size=batch_size)
    whole = trained(parameters)
    monkeypatch.setattr("mnist.training._CHUNK", 21)
    pieces = trained(parameters)
    np.testing.assert_allclose(pieces.network.theta, whole.network.theta, rtol=1e-9, atol=1e-12)
    assert [epoch.train_accuracy for epoch in pieces.history] == [epoch.train_accuracy for epoch in whole.history]


@pytest.mark.parametrize("momentum", MOMENTUM_RULES)
def test_training_goes_on_exactly_from_its_state(momentum: str) -> None:
    whole = trained(small(momentum=momentum, schedule="constant"))
    state = trained(small(momentum=momentum, schedule="constant", epochs=1))
    for _ in train(state, TRAINING, VALIDATION, small(momentum=momentum, schedule="constant", epochs=3)):
        pass
    assert state.network.theta.tobytes() == whole.network.theta.tobytes()
    assert state.history == whole.history


def test_history_measures_after_the_epoch_and_counts_during_it() -> None:
    parameters = small(epochs=1)
    state = TrainingState.initial(parameters, unit([]))
    steps = list(train(state, TRAINING, VALIDATION, parameters))
    (epoch,) = state.history
    assert steps[-1].images == 230
    assert (epoch.train_loss, epoch.train_accuracy) == (steps[-1].loss, steps[-1].accuracy)
    outputs = state.network.forward(VALIDATION.images)[-1].a
    assert epoch.validation_accuracy == np.mean(outputs.argmax(axis=1) == VALIDATION.labels)


def test_without_validation_images_their_figures_are_not_a_number() -> None:
    parameters = small(epochs=1)
    state = TrainingState.initial(parameters, unit([]))
    list(train(state, TRAINING, NOTHING, parameters))
    assert math.isnan(state.history[0].validation_loss)
    assert math.isnan(state.history[0].validation_accuracy)


@pytest.mark.parametrize(
    ("schedule", "etas"),
    [
        ("constant", [0.1] * 4),
        ("linear", [0.1, 0.075, 0.05, 0.025]),
        ("cosine", [0.1, 0.0853553390593, 0.05, 0.0146446609407]),
    ],
)
def test_eta_follows_the_schedule(schedule: str, etas: list[float]) -> None:
    history = trained(small(schedule=schedule, epochs=4, eta=0.1)).history
    assert [epoch.eta for epoch in history] == pytest.approx(etas, rel=1e-10)


def test_shuffling_draws_another_order_for_each_epoch_and_file_order_draws_nothing() -> None:
    shuffled, in_file_order = trained(small(order="shuffled")), trained(small(order="file"))
    untouched = TrainingState.initial(small(), unit([])).shuffling.bit_generator.state
    assert shuffled.shuffling.bit_generator.state != untouched
    assert in_file_order.shuffling.bit_generator.state == untouched
    assert shuffled.network.theta.tobytes() != in_file_order.network.theta.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("momentum", MOMENTUM_RULES)
def test_divergence_stops_with_an_error_that_names_eta_and_the_epoch(dtype: str, momentum: str) -> None:
    with pytest.raises(DivergedError, match=r"diverged in epoch 1.*eta = 1e\+30 is too large"):
        trained(small(dtype=dtype, momentum=momentum, eta=1e30))


@pytest.mark.parametrize("validation", [VALIDATION, NOTHING], ids=["validated", "not validated"])
def test_divergence_in_the_very_last_update_is_found_too(validation: Dataset) -> None:
    parameters = small(eta=1e15, epochs=1, batch_size=230, dtype="float32", hidden=[12, 12, 12])
    with pytest.raises(DivergedError, match="diverged in epoch 1"):
        list(train(TrainingState.initial(parameters, unit([])), TRAINING, validation, parameters))


def test_a_batch_may_be_as_large_as_the_training_set_but_not_larger() -> None:
    assert trained(small(batch_size=230)).history
    with pytest.raises(DatasetError, match="batch_size = 231: there are only 230 training images"):
        trained(small(batch_size=231))


@pytest.mark.parametrize("complete", [True, False])
def test_python_switches_threads_as_before_when_training_is_over(complete: bool) -> None:
    usual, state = sys.getswitchinterval(), TrainingState.initial(small(), unit([]))
    steps = train(state, TRAINING, NOTHING, small())
    next(steps)
    assert sys.getswitchinterval() < usual
    if complete:
        list(steps)
    del steps
    assert sys.getswitchinterval() == usual


@pytest.mark.parametrize("fading", [0, 1])
def test_deformations_have_gone_by_the_end_where_they_fade(fading: int) -> None:
    def last_epoch(**changes: Any) -> Progress:
        parameters = recipe(epochs=1000, batch_size=50, **changes)
        state = TrainingState.initial(parameters, unit([]))
        state.history += [Epoch(number, 0.0, 0.0, 0.0, 0.0, 0.1) for number in range(1, 1000)]
        return list(train(state, random_digits(50), VALIDATION, parameters))[-1]

    assert (last_epoch(shift=20, fading=fading) == last_epoch()) == bool(fading)
