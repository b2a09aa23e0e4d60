"""What the benchmarks give to other libraries is what this project trains on itself."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.race import PROJECT, race
from benchmarks.work import Work
from mnist.dataset import one_hot
from mnist.errors import MnistError
from mnist.normalisation import identity
from mnist.optimizers import nesterov
from tests.recipe import random_digits, recipe


@pytest.mark.parametrize("count", [200, 230])
@pytest.mark.parametrize("normalize", ["unit", "standardize"])
def test_its_chunks_train_a_network_as_training_does(count: int, normalize: str) -> None:
    parameters = recipe(
        normalize=normalize, hidden=[12], batch_size=20, epochs=3, weight_decay=0, rotation=10, elastic=1, fading=0.5
    )
    work = Work(parameters, random_digits(count))
    trained, replayed = work.state(), work.state()
    for _ in work.train(trained):
        pass

    network = replayed.network.with_normalisation(identity())
    for images, labels, etas in work.chunks():
        targets = one_hot(labels, "float32")
        for batch, eta in enumerate(etas):
            part = slice(20 * batch, 20 * (batch + 1))
            layers = network.forward(images[part])
            gradient = network.backward(layers, (layers[-1].a - targets[part]) / len(targets[part]))
            nesterov(network.theta, replayed.velocity, gradient, eta, parameters.alpha)
    np.testing.assert_allclose(network.theta, trained.network.theta, rtol=1e-4, atol=1e-6)


def test_a_race_without_this_project_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no recipe
    with pytest.raises(MnistError, match=f"{PROJECT} does not run: .*params.yaml: cannot be read"):
        race([PROJECT], {"batch_size": 100}, 1, 1)
