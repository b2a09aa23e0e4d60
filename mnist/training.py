"""The training loop: from one state (weights, velocity, random generator, history) to the same, some epochs later."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from mnist.arrays import ByteArray, FloatArray
from mnist.dataset import BATCH_ORDERS, Dataset, DatasetError, one_hot
from mnist.errors import MnistError
from mnist.evaluation import Score, score
from mnist.hyperparameters import Hyperparameters
from mnist.losses import LOSSES
from mnist.network import Network
from mnist.normalisation import Normalisation
from mnist.optimizers import MOMENTUM_RULES
from mnist.randomness import generator
from mnist.schedules import SCHEDULES

REDUCTIONS: dict[str, Callable[[int], float]] = {"mean": lambda count: 1 / count, "sum": lambda _: 1.0}
"""`reduction` in params.yaml -> the weight of an image in the gradient of a batch of `count`."""


class DivergedError(MnistError):
    """Training left the range of finite numbers."""


class Epoch(NamedTuple):
    """One line of the history.

    The training figures are taken batch by batch while the weights change, the validation figures at the end of the
    epoch; without validation images they are not a number. `eta` is that of the epoch's first batch.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    eta: float


class Progress(NamedTuple):
    """How far training has come: the epoch, from 1; its images so far; their mean loss and accuracy."""

    epoch: int
    images: int
    loss: float
    accuracy: float


@dataclass
class TrainingState:
    """All that training goes on from; whoever has this can continue exactly.

    Attributes
    ----------
    network : Network
    velocity : FloatArray, shape of network.theta
        What the momentum rule remembers.
    shuffling : numpy.random.Generator
        Draws the order of the images.
    history : list of Epoch
        One entry for each epoch that is complete.
    """

    network: Network
    velocity: FloatArray
    shuffling: np.random.Generator
    history: list[Epoch]

    @classmethod
    def initial(cls, parameters: Hyperparameters, normalisation: Normalisation) -> Self:
        """Return the state before the first epoch."""
        network = Network.initialise(parameters, normalisation, generator(parameters.seed, "weights"))
        return cls(network, np.zeros_like(network.theta), generator(parameters.seed, "shuffling"), history=[])


def train(
    state: TrainingState, training: Dataset, validation: Dataset, parameters: Hyperparameters
) -> Iterator[Progress]:
    """Train until `state` has seen `parameters.epochs` epochs.

    Parameters
    ----------
    state : TrainingState
        Changed in place; after each epoch it is complete and its history one entry longer.
    training, validation : Dataset
        What to learn from, and what to measure progress on after each epoch; the second may be empty.
    parameters : Hyperparameters
        The recipe.

    Yields
    ------
    Progress
        After each batch.

    Raises
    ------
    DatasetError
        A batch is larger than the training set.
    DivergedError
        The loss or a weight is not finite any more.
    """
    if parameters.batch_size > len(training):
        raise DatasetError(f"batch_size = {parameters.batch_size}: there are only {len(training)} training images")
    while len(state.history) < parameters.epochs:
        yield from _train_epoch(state, training, validation, parameters)


def _train_epoch(
    state: TrainingState, training: Dataset, validation: Dataset, parameters: Hyperparameters
) -> Iterator[Progress]:
    batches = BATCH_ORDERS[parameters.order](len(training), parameters.batch_size, state.shuffling)
    epoch = len(state.history)
    total = Score()
    for index, batch in enumerate(batches):
        eta = _eta(epoch + index / len(batches), parameters)
        total += _step(state, training.images[batch], training.labels[batch], eta, parameters)
        _check_finite(total.loss_sum, epoch, parameters)
        yield Progress(epoch + 1, total.images, total.loss, total.accuracy)
    with np.errstate(over="ignore", invalid="ignore"):
        # What the last update did has been in no score yet.
        last = score(state.network, Dataset(training.images[batch], training.labels[batch]), parameters.loss)
        held_out = score(state.network, validation, parameters.loss)
    _check_finite((last + held_out).loss_sum, epoch, parameters)
    _check_finite(state.network.theta, epoch, parameters)
    state.history.append(
        Epoch(
            epoch=epoch + 1,
            train_loss=total.loss,
            train_accuracy=total.accuracy,
            validation_loss=held_out.loss,
            validation_accuracy=held_out.accuracy,
            eta=_eta(epoch, parameters),
        )
    )


def _eta(epochs_done: float, parameters: Hyperparameters) -> float:
    return parameters.eta * SCHEDULES[parameters.schedule](epochs_done / parameters.epochs)


# What overflows here is found by its result, a loss that is not finite, and told in words: no warnings beside them.
@np.errstate(over="ignore", invalid="ignore")
def _step(state: TrainingState, images: ByteArray, labels: ByteArray, eta: float, parameters: Hyperparameters) -> Score:
    """Change the weights by the gradient of one batch, and return the score the batch had before."""
    network, loss = state.network, LOSSES[parameters.loss]
    targets = one_hot(labels, parameters.dtype)
    layers = network.forward(images)
    delta = loss.delta(*layers[-1], targets, network.architecture.output)
    delta *= REDUCTIONS[parameters.reduction](len(labels))
    gradient = network.backward(layers, delta)
    # Decoupled from the gradient, so that momentum does not carry it (Loshchilov & Hutter 2019); scaled by eta, unlike
    # theirs and like most libraries', so that one rule serves every schedule.
    if parameters.weight_decay:
        network.theta *= 1 - eta * parameters.weight_decay
    MOMENTUM_RULES[parameters.momentum](network.theta, state.velocity, gradient, eta, parameters.alpha)
    return Score.of(layers[-1], targets, parameters.loss)


def _check_finite(values: float | FloatArray, epoch: int, parameters: Hyperparameters) -> None:
    if not np.isfinite(values).all():
        raise DivergedError(
            f"training diverged in epoch {epoch + 1}: its numbers are not finite any more. "
            f"eta = {parameters.eta} is too large for this recipe; try eta = {parameters.eta / 10:g}"
        )
