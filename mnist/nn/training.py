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

# Steps between two flushes of the optimizer: at alpha = 0.9 a velocity that nothing feeds falls to a tenth meanwhile.
_FLUSH = 20


class Epochs(Protocol):
    """Where the training images come from."""

    def draw(self, progress: float, part: slice) -> tuple[int, Iterator[Iterable[Batch]]]:
        """Return how many images the next epoch has, and its batches, some at a time.

        `progress` is the part of the training, 0..1, that is complete when the epoch begins; `part` says which of the
        shards of each batch are wanted.
        """


class DivergedError(FloatingPointError):
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
    """How far training has come: the epoch, from 1; the score of its images so far; whether it is complete."""

    epoch: int
    score: Score
    complete: bool


@dataclass
class Training:
    """A network, and how it is trained.

    Attributes
    ----------
    network : Network
    optimizer : Optimizer
        Changes `network.theta`.
    loss : Loss
    eta : (progress) -> float
        The learning rate at `progress` 0..1 through all updates.
    epochs : int
        How many there are in all.
    reduction : (images) -> float
        The weight of an image in the gradient of a batch of so many: `mean` or `total`.
    negligible : float
        An image is left out of the gradient where no output's error is above this; 0: none is left out.
    shards : int
        Into how many parts each batch is cut; as many processes may share the work.
    history : list of Epoch
        One entry for each epoch that is complete.
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
        """Change the weights by the gradient of one batch; return the last layer's `z` of just before, by shard."""
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
        """Train until `history` is complete, and yield progress several times an epoch and when one is complete.

        `validation`, which may be empty, is measured after each epoch. Between two epochs, and only then, weights,
        optimizer state, history and the generators of `epochs` are all that training continues from. The number of
        `processes` that share the work, at most one for each shard, changes no bit. Raises DivergedError where the loss
        or a weight is not finite any more, and ProcessDiedError where a process ends early.
        """
        with self._team.working(processes, lambda: self._assist(epochs)):
            while len(self.history) < self.epochs:
                yield from self._run_epoch(epochs, validation)

    def _assist(self, epochs: Epochs) -> None:
        """Train as `run` does, in a process that computes its shards and no more."""
        for done in range(len(self.history), self.epochs):
            for _ in self._train_epoch(epochs, done):
                pass

    def _run_epoch(self, epochs: Epochs, validation: Iterable[Examples]) -> Iterator[Progress]:
        done = len(self.history)
        for trained in self._train_epoch(epochs, done):
            self._check_finite(trained.loss_sum)
            yield Progress(done + 1, trained, complete=False)
        held_out = self._measure(validation)
        # No score has seen yet what the last update did.
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

    # An overflow shows in its result, a loss that is not finite, and needs no warning of NumPy's beside the error.
    @np.errstate(over="ignore", invalid="ignore")
    def _train(self, chunk: Iterable[Batch], epochs_done: float, epoch_images: int) -> Score:
        """Train on some batches, and return the score that each had just before its update."""
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
                f"training diverged in epoch {len(self.history) + 1}: its numbers are not finite any more. "
                f"eta = {eta} is too large for this recipe; try eta = {eta / 10:g}"
            )


def _keep_errors(
    activations: list[FloatArray], delta: FloatArray, negligible: float
) -> tuple[list[FloatArray], FloatArray]:
    """Return the rows of the images that have an error, an element of `delta`, above `negligible`.

    Two thirds of a step is the backward pass, and a network that has learnt gains little by it from most images
    (Jiang et al. 2019, "Accelerating Deep Learning by Focusing on the Biggest Losers").
    """
    rows = np.abs(delta).max(axis=1) > negligible
    return [a[rows] for a in activations], delta[rows]
