"""The training loop: from one state (weights, velocity, random generator, history) to the same, some epochs later."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from mnist.arrays import ByteArray, FloatArray
from mnist.dataset import ORDERS, Dataset, DatasetError, one_hot
from mnist.deformation import Strength, deform
from mnist.errors import MnistError
from mnist.evaluation import Score, score
from mnist.files import release_pages
from mnist.hyperparameters import Hyperparameters
from mnist.losses import LOSSES
from mnist.network import Layer, Network
from mnist.normalisation import Normalisation
from mnist.optimizers import MOMENTUM_RULES
from mnist.randomness import generator
from mnist.schedules import SCHEDULES

REDUCTIONS: dict[str, Callable[[int], float]] = {"mean": lambda count: 1 / count, "sum": lambda _: 1.0}
"""`reduction` in params.yaml -> the weight of an image in the gradient of a batch of `count`."""

# Images prepared at a time, a few milliseconds of work for each of the two threads.
_CHUNK = 2000

# Seconds.
_SWITCH_INTERVAL = 0.0005

T = TypeVar("T")


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
    shuffling, deformation : numpy.random.Generator
        Draw the order of the images and how they are deformed.
    history : list of Epoch
        One entry for each epoch that is complete.
    """

    network: Network
    velocity: FloatArray
    shuffling: np.random.Generator
    deformation: np.random.Generator
    history: list[Epoch]

    @classmethod
    def initial(cls, parameters: Hyperparameters, normalisation: Normalisation) -> Self:
        """Return the state before the first epoch."""
        network = Network.initialise(parameters, normalisation, generator(parameters.seed, "weights"))
        shuffling, deformation = generator(parameters.seed, "shuffling"), generator(parameters.seed, "deformation")
        return cls(network, np.zeros_like(network.theta), shuffling, deformation, history=[])


def train(
    state: TrainingState, training: Dataset, validation: Dataset, parameters: Hyperparameters
) -> Iterator[Progress]:
    """Train until `state` has seen `parameters.epochs` epochs.

    During an epoch Python switches between threads more often than usual, in the whole process.

    Parameters
    ----------
    state : TrainingState
        Changed in place; between two epochs, and only there, it is all that training goes on from.
    training, validation : Dataset
        What to learn from, and what to measure progress on after each epoch; the second may be empty.
    parameters : Hyperparameters
        The recipe.

    Yields
    ------
    Progress
        Several times an epoch, and when an epoch is complete: only then is `state.history` as long as `epoch` says.

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
    order = ORDERS[parameters.order](len(training), parameters.batch_size, state.shuffling)
    epoch = len(state.history)
    total = Score()
    for chunk in one_ahead(prepared(training, order, epoch, parameters, state.deformation)):
        total += _train_chunk(state, chunk, epoch + total.images / len(order), len(order), parameters)
        _check_finite(epoch, parameters, total.loss_sum)
        yield Progress(epoch + 1, total.images, total.loss, total.accuracy)
    held_out = _measure(state.network, validation, parameters)
    # What the last update did has been in no score yet.
    *_, batch = chunk.chunks(parameters.batch_size)
    last = _measure(state.network, batch, parameters)
    _check_finite(epoch, parameters, (last + held_out).loss_sum, state.network.theta)
    state.history.append(
        Epoch(
            epoch=epoch + 1,
            train_loss=total.loss,
            train_accuracy=total.accuracy,
            validation_loss=held_out.loss,
            validation_accuracy=held_out.accuracy,
            eta=eta_after(epoch, parameters),
        )
    )
    yield Progress(epoch + 1, total.images, total.loss, total.accuracy)


def prepared(
    training: Dataset, order: NDArray[np.int64], epochs_done: int, parameters: Hyperparameters, rng: np.random.Generator
) -> Iterator[Dataset]:
    """Yield the images of an epoch in their order, some batches at a time, deformed where the recipe says so."""
    strength = Strength.of(parameters, epochs_done / parameters.epochs)
    size = parameters.batch_size * max(1, _CHUNK // parameters.batch_size)
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        images = training.images[chosen]
        release_pages(training.images)
        yield Dataset(deform(images, strength, rng) if parameters.deforms else images, training.labels[chosen])


def one_ahead(chunks: Iterator[T]) -> Iterator[T]:
    """Yield the same, each made in a thread while the one before it is used."""
    with ThreadPoolExecutor(max_workers=1) as thread, _switching_often():
        upcoming = thread.submit(next, chunks, None)
        while (chunk := upcoming.result()) is not None:
            upcoming = thread.submit(next, chunks, None)
            yield chunk


@contextmanager
def _switching_often() -> Iterator[None]:
    """Have Python hand over from one thread to another after half a millisecond, not after five.

    Both threads want Python for microseconds between two calls of NumPy, and a thread may wait for it as long as this
    interval: with the usual one an epoch with deformations took 3 to 6 % longer.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(min(usual, _SWITCH_INTERVAL))
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def eta_after(epochs_done: float, parameters: Hyperparameters) -> float:
    """Return the learning rate after so many epochs and parts of one, as the schedule has it."""
    return parameters.eta * SCHEDULES[parameters.schedule](epochs_done / parameters.epochs)


# What overflows is found by its result, a loss that is not finite, and told in words: no warnings beside them.
_silent = np.errstate(over="ignore", invalid="ignore")


@_silent
def _train_chunk(
    state: TrainingState, chunk: Dataset, epochs_done: float, epoch_images: int, parameters: Hyperparameters
) -> Score:
    """Train on the batches of a chunk, and return the score that each had just before its update."""
    targets = one_hot(chunk.labels, parameters.dtype)
    outputs = []
    for start in range(0, len(chunk), parameters.batch_size):
        batch = slice(start, start + parameters.batch_size)
        eta = eta_after(epochs_done + start / epoch_images, parameters)
        outputs.append(_step(state, chunk.images[batch], targets[batch], eta, parameters))
    return Score.of(Layer(*map(np.concatenate, zip(*outputs, strict=True))), targets, parameters.loss)


@_silent
def _measure(network: Network, dataset: Dataset, parameters: Hyperparameters) -> Score:
    return score(network, dataset, parameters.loss)


def _step(
    state: TrainingState, images: ByteArray, targets: FloatArray, eta: float, parameters: Hyperparameters
) -> Layer:
    """Change the weights by the gradient of one batch, and return what the network said of the batch before."""
    network, loss = state.network, LOSSES[parameters.loss]
    layers = network.forward(images)
    answers = layers[-1]
    delta = loss.delta(*answers, targets, network.architecture.output)
    if parameters.negligible:
        layers, delta = _of_images_that_teach(layers, delta, parameters.negligible)
    delta *= REDUCTIONS[parameters.reduction](len(images))
    gradient = network.backward(layers, delta)
    # Decoupled from the gradient, so that momentum does not carry it (Loshchilov & Hutter 2019); scaled by eta, unlike
    # theirs and like most libraries', so that one rule serves every schedule.
    if parameters.weight_decay:
        network.theta *= 1 - eta * parameters.weight_decay
    MOMENTUM_RULES[parameters.momentum](network.theta, state.velocity, gradient, eta, parameters.alpha)
    return answers


def _of_images_that_teach(layers: list[Layer], delta: FloatArray, negligible: float) -> tuple[list[Layer], FloatArray]:
    """Return the rows of the images that have an error, an element of `delta`, above `negligible`.

    Two thirds of a step's work is the way back, and a network that has learnt takes little with it for most images
    (Jiang et al. 2019, "Accelerating Deep Learning by Focusing on the Biggest Losers"): above 0.05 were 76 % of the
    images in the first of 60 epochs of layers of 2000, 1000 and 500 units, 19 % in the 25th and 6 % in the last.
    """
    teach = np.abs(delta).max(axis=1) > negligible
    return [Layer(z[teach], a[teach]) for z, a in layers], delta[teach]


def _check_finite(epoch: int, parameters: Hyperparameters, *values: float | FloatArray) -> None:
    if not all(np.isfinite(value).all() for value in values):
        raise DivergedError(
            f"training diverged in epoch {epoch + 1}: its numbers are not finite any more. "
            f"eta = {parameters.eta} is too large for this recipe; try eta = {parameters.eta / 10:g}"
        )
