"""The training loop: forward, loss, backward, step, batch after batch, epoch after epoch."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from mnist.nn.arrays import Batch, Examples, FloatArray
from mnist.nn.losses import Loss, mean
from mnist.nn.metrics import Score, score
from mnist.nn.network import Network
from mnist.nn.optimizers import Optimizer
from mnist.nn.parallel import Team

# Steps between two flushes of the optimizer: at alpha = 0.9, a velocity without a gradient falls to a tenth meanwhile.
_FLUSH = 20


class Epochs(Protocol):
    """The source of the training images."""

    def draw(self, progress: float, part: slice) -> tuple[int, Iterator[Iterable[Batch]]]:
        """Return the number of images in the next epoch, and its batches in chunks.

        `progress` is the fraction of the training, 0..1, that is complete when the epoch begins. `part` selects shards
        of each batch.
        """


class DivergedError(FloatingPointError):
    """A loss or a weight is no longer finite."""


class Epoch(NamedTuple):
    """A line of the history.

    The training figures are measured batch by batch while the weights change. The validation figures are measured at
    the end of the epoch; they are NaN without validation images. `eta` is the learning rate of the epoch's first batch.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    eta: float


class Progress(NamedTuple):
    """The progress of training: the epoch, from 1; the score of its images so far; whether the epoch is complete."""

    epoch: int
    score: Score
    complete: bool


@dataclass
class Training:
    """A network, and everything that decides how it is trained.

    Attributes
    ----------
    network : Network
    optimizer : Optimizer
        Changes `network.theta`.
    loss : Loss
    eta : (progress) -> float
        The learning rate at `progress`, the fraction 0..1 of all updates that are done.
    epochs : int
        The number of epochs in the whole training.
    reduction : (images) -> float
        The weight of an image in the gradient of a batch with this number of images: `mean` or `total`.
    negligible : float
        The gradient leaves out an image if none of its output errors is above this; 0: it leaves out none.
    shards : int
        The number of parts into which each batch is split; up to this many processes share the work.
    history : list of Epoch
        One entry for each complete epoch.
    """

    network: Network
    optimizer: Optimizer
    loss: Loss
    eta: Callable[[float], float]
    epochs: int
    reduction: Callable[[int], float] = mean
    negligible: float = 0.0
    shards: int = 1
    history: list[Epoch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._team = Team(self.network, self.shards)
        self._steps = 0

    def step(self, batch: Batch, eta: float) -> list[FloatArray]:
        """Update the weights by the gradient of one batch; return the last layer's `z` before the update, by shard."""
        size, shards = batch
        answers = []
        for network, (images, targets) in zip(self._team.replicas, shards, strict=True):
            activations = network.forward(images)
            answers.append(activations[-1])
            delta = self.loss.delta(activations[-1], targets)
            if self.negligible:
                activations, delta = _keep_errors(activations, delta, self.negligible)
            delta *= self.reduction(size)
            network.backward(activations, delta)
        gradient = self._team.add_gradients()
        if self._steps % _FLUSH == 0:
            self.optimizer.flush(self._team.weights)
        self._steps += 1
        self.optimizer.step(gradient, eta, self._team.weights)
        self._team.wait()
        return answers

    def run(self, epochs: Epochs, validation: Iterable[Examples], processes: int = 1) -> Iterator[Progress]:
        """Train until `history` is complete; yield progress several times during an epoch, and at its end.

        `validation`, which may be empty, is measured after each epoch. Between two epochs, training depends only on the
        weights, the optimizer state, the history and the generators of `epochs`. Several `processes` share the work, at
        most one for each shard; their number does not change the result. Raises DivergedError if the loss or a weight
        is no longer finite, and ProcessDiedError if a process ends early.
        """
        with self._team.working(processes, lambda: self._assist(epochs)):
            while len(self.history) < self.epochs:
                yield from self._run_epoch(epochs, validation)

    def _assist(self, epochs: Epochs) -> None:
        """Train as `run` does, in a process that only computes its shards."""
        for done in range(len(self.history), self.epochs):
            for _ in self._train_epoch(epochs, done):
                pass

    def _run_epoch(self, epochs: Epochs, validation: Iterable[Examples]) -> Iterator[Progress]:
        done = len(self.history)
        for trained in self._train_epoch(epochs, done):
            self._check_finite(trained.loss_sum)
            yield Progress(done + 1, trained, complete=False)
        held_out = self._measure(validation)
        # No score has covered the last update yet.
        self._check_finite((self._measure([self._last]) + held_out).loss_sum, self.network.theta)
        eta = self.eta(done / self.epochs)
        figures = (trained.loss, trained.accuracy, held_out.loss, held_out.accuracy)
        self.history.append(Epoch(done + 1, *figures, eta))
        yield Progress(done + 1, trained, complete=True)

    def _train_epoch(self, epochs: Epochs, done: int) -> Iterator[Score]:
        """Train for an epoch; after each chunk of batches, yield the score of all images so far."""
        self._steps = 0
        images, chunks = epochs.draw(done / self.epochs, self._team.shards)
        trained = Score()
        for chunk in chunks:
            trained += self._train(chunk, done + trained.images / images, images)
            yield trained

    # After an overflow the loss is not finite, which raises an error: a warning by NumPy would be redundant.
    @np.errstate(over="ignore", invalid="ignore")
    def _train(self, chunk: Iterable[Batch], epochs_done: float, epoch_images: int) -> Score:
        """Train on some batches, and return their score: each batch is scored just before its update."""
        answers, wanted, start = [], [], 0
        for size, shards in chunk:
            eta = self.eta((epochs_done + start / epoch_images) / self.epochs)
            answers.append(self.step((size, shards), eta))
            wanted.append([targets for _, targets in shards])
            start += size
        pairs = zip(zip(*answers, strict=True), zip(*wanted, strict=True), strict=True)
        scores = [Score.of(np.concatenate(z), np.concatenate(targets), self.loss) for z, targets in pairs]
        self._last = shards[0]
        return self._team.add_scores(scores)

    @np.errstate(over="ignore", invalid="ignore")
    def _measure(self, batches: Iterable[Examples]) -> Score:
        return score(self.network, batches, self.loss)

    def _check_finite(self, *values: float | FloatArray) -> None:
        if not all(np.isfinite(value).all() for value in values):
            eta = self.eta(0)
            raise DivergedError(
                f"training diverged in epoch {len(self.history) + 1}: its numbers are no longer finite. "
                f"eta = {eta} is too large for this recipe; try eta = {eta / 10:g}"
            )


def _keep_errors(
    activations: list[FloatArray], delta: FloatArray, negligible: float
) -> tuple[list[FloatArray], FloatArray]:
    """Return the rows of the images that have an output error, an element of `delta`, above `negligible`.

    The backward pass takes two thirds of a step, and a trained network learns little from most images (Jiang et al.
    2019, "Accelerating Deep Learning by Focusing on the Biggest Losers").
    """
    rows = np.abs(delta).max(axis=1) > negligible
    return [a[rows] for a in activations], delta[rows]
