"""The training loop: a step by hand, the history, the learning rate, divergence."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from mnist.nn.activations import relu, softmax, tanh
from mnist.nn.arrays import Batch, Examples, FloatArray
from mnist.nn.losses import Loss, mean, softmax_cross_entropy, squared_error, total
from mnist.nn.metrics import score
from mnist.nn.network import Network
from mnist.nn.optimizers import ALL, SGD, Optimizer, heavy_ball
from mnist.nn.schedules import linear
from mnist.nn.training import DivergedError, Training
from mnist.recipe import OPTIMIZERS

RNG = np.random.default_rng(0)
IMAGES, TARGETS = RNG.standard_normal((23, 4)), np.eye(3)[RNG.integers(0, 3, 23)]
VALIDATION = [(RNG.standard_normal((9, 4)), np.eye(3)[RNG.integers(0, 3, 9)])]


class Chunks:
    """The same batches in every epoch, in chunks; `progress` records the arguments of `draw`."""

    def __init__(self, *chunks: list[Examples], shards: int = 1) -> None:
        self.chunks = chunks
        self.shards = shards
        self.progress: list[float] = []

    def draw(self, progress: float, part: slice) -> tuple[int, Iterator[list[Batch]]]:
        self.progress.append(progress)
        images = sum(len(images) for chunk in self.chunks for images, _ in chunk)
        return images, iter([[cut(*batch, self.shards, part) for batch in chunk] for chunk in self.chunks])


def cut(images: FloatArray, targets: FloatArray, shards: int = 1, part: slice = ALL) -> Batch:
    """Return a batch, and some of its shards."""
    cuts = zip(np.array_split(images, shards), np.array_split(targets, shards), strict=True)
    return len(images), list(cuts)[part]


def batches(dtype: str = "float64") -> list[Examples]:
    """Return IMAGES in batches of 10, 10 and 3."""
    return [
        (images.astype(dtype), targets.astype(dtype))
        for images, targets in zip(np.split(IMAGES, [10, 20]), np.split(TARGETS, [10, 20]), strict=True)
    ]


def training(network: Network, optimizer: Optimizer | None = None, **options: Any) -> Training:
    """Return a training that begins with random weights, the same every time; by default it is plain descent."""
    network.theta[:] = np.random.default_rng(1).standard_normal(network.theta.size) / 2
    settings: dict[str, Any] = {"loss": softmax_cross_entropy, "eta": lambda _: 0.1, "epochs": 2} | options
    return Training(network, optimizer or SGD(network.theta, heavy_ball, alpha=0, weight_decay=0), **settings)


def small(**changes: Any) -> Training:
    return training(Network((4, 5, 3), tanh, softmax, dtype="float64"), **changes)


@pytest.mark.parametrize(("reduction", "weight"), [(mean, 0.5), (total, 1)])
def test_a_step_is_the_one_computed_by_hand(reduction: Callable[[int], float], weight: float) -> None:
    # Weights of 0 make both outputs 1/2: the errors are (-1/2, 1/2) for the first image, (1/2, -1/2) for the second.
    network = Network((2, 2), relu, softmax, dtype="float64")
    one = training(network, SGD(network.theta, heavy_ball, alpha=0, weight_decay=0.5), reduction=reduction)
    one.network.theta[:] = 0
    one.step(cut(np.array([[1.0, 2.0], [3.0, 0.0]]), np.eye(2)), eta=0.1)
    gradient = np.array([[1 * -0.5 + 3 * 0.5, 1 * 0.5 + 3 * -0.5], [2 * -0.5, 2 * 0.5]])
    np.testing.assert_allclose(one.network.weights[0], -0.1 * weight * gradient, rtol=1e-14)
    # Without a gradient, weight decay is all that happens.
    one.network.theta[:] = 1
    one.step(cut(np.zeros((2, 2)), np.eye(2)), eta=0.1)
    np.testing.assert_allclose(one.network.theta, 1 - 0.1 * 0.5, rtol=1e-14)


@pytest.mark.parametrize("negligible", [0, 0.05, 0.9])
def test_only_an_image_with_an_error_above_negligible_counts(negligible: float) -> None:
    # Two images with one lit pixel each: the network is sure of the first, and undecided about the second.
    one = training(Network((2, 10), relu, softmax, dtype="float64"), negligible=negligible, epochs=1)
    (weights,) = one.network.weights
    weights[:] = 0
    weights[0, 0] = 10
    list(one.run(Chunks([(np.eye(2), np.eye(2, 10))]), []))
    sure = math.exp(10) / (math.exp(10) + 9)  # an error of 0.0004
    assert weights[0, 0] - 10 == pytest.approx(0 if negligible else 0.1 / 2 * (1 - sure), abs=1e-12)
    # An error of 0.9; the mean divides by the number of both images, whether or not both count.
    assert weights[1, 1] == pytest.approx(0.1 / 2 * 0.9 if negligible < 0.9 else 0)


def test_leaving_no_image_out_changes_no_bit() -> None:
    plain, kept = small(), small(negligible=1e-300)
    for one in (plain, kept):
        list(one.run(Chunks(batches()), []))
    assert kept.network.theta.tobytes() == plain.network.theta.tobytes()


def test_history_counts_during_an_epoch_and_measures_after_it() -> None:
    one, epochs = small(), Chunks(batches()[:2], batches()[2:])
    before = small()
    steps = []
    for progress in one.run(epochs, VALIDATION):
        steps.append((progress.epoch, progress.score.images, progress.complete))
        assert len(one.history) == progress.epoch - (not progress.complete)
        if steps == [(1, 20, False)]:
            # The figures of each batch are those of the weights just before its update.
            first = score(before.network, batches()[:1], before.loss)
            before.step(cut(*batches()[0]), 0.1)
            expected = first + score(before.network, batches()[1:2], before.loss)
            assert (progress.score.images, progress.score.correct) == (20, expected.correct)
            assert progress.score.loss == pytest.approx(expected.loss, rel=1e-12)
        if progress.complete:
            epoch, held_out = one.history[-1], score(one.network, VALIDATION, one.loss)
            assert epoch[:3] == (progress.epoch, progress.score.loss, progress.score.accuracy)
            assert epoch[3:] == (held_out.loss, held_out.accuracy, 0.1)
    assert steps == [(epoch, *rest) for epoch in (1, 2) for rest in ((20, False), (23, False), (23, True))]
    assert epochs.progress == [0, 0.5]


def test_without_validation_images_their_figures_are_not_a_number() -> None:
    one = small(epochs=1)
    list(one.run(Chunks(batches()), []))
    assert math.isnan(one.history[0].validation_loss)
    assert math.isnan(one.history[0].validation_accuracy)


def test_eta_falls_from_batch_to_batch() -> None:
    class Recorder:
        def __init__(self) -> None:
            self.state: dict[str, FloatArray] = {}
            self.etas: list[float] = []

        def step(self, _: FloatArray, eta: float, __: slice = ALL) -> None:
            self.etas.append(eta)

        def flush(self, _: slice = ALL) -> None:
            pass

    recorder = Recorder()
    one = small(optimizer=recorder, eta=lambda progress: 0.1 * linear(progress))
    list(one.run(Chunks(batches()[:1], batches()[1:]), []))
    expected = [0.1 * (1 - (epoch + start / 23) / 2) for epoch in (0, 1) for start in (0, 10, 20)]
    assert recorder.etas == pytest.approx(expected, rel=1e-12)
    assert [epoch.eta for epoch in one.history] == pytest.approx([0.1, 0.05])


@pytest.mark.parametrize(("dtype", "eta"), [("float32", 1e30), ("float64", 1e200)])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_divergence_stops_training_with_an_error_that_names_eta(dtype: str, eta: float, name: str) -> None:
    # pytest turns a warning by NumPy into an error.
    network = Network((4, 5, 5, 3), relu, softmax, dtype=dtype)
    optimizer = OPTIMIZERS[name](network.theta, alpha=0.9, weight_decay=0)
    diverging = training(network, optimizer, eta=lambda _: eta)
    message = f"diverged in epoch 1: .*eta = {eta} is too large for this recipe; try eta = {eta / 10:g}"
    with pytest.raises(DivergedError, match=message.replace("+", r"\+")):
        list(diverging.run(Chunks(batches(dtype)), VALIDATION))
    assert diverging.history == []


@pytest.mark.parametrize("alpha", [0.5, 0.9])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_long_training_of_rarely_lit_pixels_keeps_no_denormal_numbers(name: str, alpha: float) -> None:
    network = Network((4, 5, 3), tanh, softmax)
    optimizer = OPTIMIZERS[name](network.theta, alpha=alpha, weight_decay=0)
    one = training(network, optimizer, epochs=1)
    lit = (IMAGES[:1].astype("f4"), TARGETS[:1].astype("f4"))
    dark = (lit[0] * np.array([0, 1, 1, 1], "f4"), lit[1])
    found = 0
    for _ in one.run(Chunks([lit], *[[dark] * 20] * 100), []):
        velocity = np.abs(optimizer.state["velocity"][:5])  # of the pixel that is lit once
        found += int(((velocity > 0) & (velocity < np.finfo("f4").tiny)).sum())
    assert found == 0


@pytest.mark.parametrize("validation", [VALIDATION, []], ids=["validated", "not validated"])
@pytest.mark.parametrize("loss", [softmax_cross_entropy, squared_error])
def test_divergence_in_the_last_update_is_found(loss: Loss, validation: list[Examples]) -> None:
    network = Network((4, 5, 5, 5, 3), relu, loss.output)
    diverging = training(network, eta=lambda _: 1e20, epochs=1, loss=loss)
    with pytest.raises(DivergedError, match="diverged in epoch 1"):
        list(diverging.run(Chunks([(IMAGES.astype("f4"), TARGETS.astype("f4"))]), validation))


def test_a_weight_that_is_not_finite_is_found_where_no_loss_shows_it() -> None:
    class Breaking:
        state: dict[str, FloatArray]

        def step(self, _: FloatArray, __: float, ___: slice = ALL) -> None:
            # The unit that it leads to is never active again.
            network.weights[0][:, 0] = -np.inf

        def flush(self, _: slice = ALL) -> None:
            pass

    network = Network((4, 5, 3), relu, softmax, dtype="float64")
    images: list[Examples] = [(np.abs(IMAGES), TARGETS)]
    with pytest.raises(DivergedError, match="diverged in epoch 1"):
        list(training(network, Breaking(), epochs=1).run(Chunks(images), images))
