"""Processes that train together: the same bits for any number of them, and nothing left when one is killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from mnist.data.batches import Batches, batches_of
from mnist.nn.parallel import CAN_FORK, ProcessDiedError, Team
from mnist.nn.training import Training
from mnist.recipe import Recipe
from tests.helpers import ROOT, random_digits, recipe

DIGITS = random_digits(450)

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="one process does it all on this system")


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Check that no process outlives a training."""
    yield
    assert multiprocessing.active_children() == []


def start(changes: dict[str, Any]) -> tuple[Training, Batches, Recipe]:
    small = recipe(epochs=2, deformation={"elastic": 1}, **changes)
    return *small.start(small.prepare(DIGITS)), small


def result(processes: int, changes: dict[str, Any]) -> tuple[bytes, bytes, str, str]:
    """Return all results of a training."""
    training, batches, small = start(changes)
    validation = list(batches_of(small.prepare(DIGITS).validation, batches.normalisation, batches.dtype))
    list(training.run(batches, validation, processes))
    states = str([generator.bit_generator.state for generator in batches.generators.values()])
    velocity = training.optimizer.state["velocity"]
    return training.network.theta.tobytes(), velocity.tobytes(), str(training.history), states


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "batch_size": 7,
            "negligible": 0.2,
            "network": {"bias": True},
        },  # the last batch has one image, for four shards
        {"optimizer": "heavy_ball", "order": "file", "reduction": "sum", "eta": 0.01, "loss": "squared_error"},
    ],
    ids=["default", "uneven", "others"],
)
def test_any_number_of_processes_gives_the_same_bits(changes: dict[str, Any]) -> None:
    alone = result(1, {"shards": 4, **changes})
    for processes in (2, 3, 4, 9):
        assert result(processes, {"shards": 4, **changes}) == alone


def test_shards_change_no_more_than_rounding() -> None:
    changes = {"network": {"dtype": "float64"}}
    plain = recipe(epochs=2, **changes)
    thetas = []
    for shards in (1, 2, 3, 20):
        sharded = plain.changed("a test", {"shards": shards})
        training, batches = sharded.start(sharded.prepare(DIGITS))
        list(training.run(batches, [], processes=2))
        thetas.append(training.network.theta)
    for theta in thetas[1:]:
        np.testing.assert_allclose(theta, thetas[0], rtol=0, atol=1e-12)


def test_a_process_that_is_killed_ends_the_training_with_a_sentence() -> None:
    training, batches, _ = start({"shards": 2})
    progress = training.run(batches, [], processes=2)
    next(progress)
    (child,) = multiprocessing.active_children()
    child.kill()
    with pytest.raises(ProcessDiedError, match=r"one of the 2 processes .* has ended early \(exit code -9; -9: it was"):
        list(progress)


def test_a_process_that_fails_ends_the_training_and_names_its_error(capfd: pytest.CaptureFixture[str]) -> None:
    training, batches, _ = start({"shards": 2})
    parent, draw = os.getpid(), batches.draw

    def fail_elsewhere(progress: float, part: slice) -> Any:
        if os.getpid() != parent:
            raise MemoryError("none left")
        return draw(progress, part)

    batches.draw = fail_elsewhere  # type: ignore[method-assign, assignment]
    with pytest.raises(ProcessDiedError, match="exit code 1"):
        list(training.run(batches, [], processes=2))
    assert "training process 1: MemoryError: none left" in capfd.readouterr().err


def test_an_abandoned_training_leaves_no_process() -> None:
    training, batches, _ = start({"shards": 2})
    progress = training.run(batches, [], processes=2)
    next(progress)
    assert len(multiprocessing.active_children()) == 1
    progress.close()  # type: ignore[attr-defined]


FOREVER = """
import sys
from tests.nn.test_parallel import start
training, batches, _ = start({"shards": 3})
training.epochs = 10**6
for progress in training.run(batches, [], processes=3):
    print("trains", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_processes_end_when_their_parent_ends(number: signal.Signals) -> None:
    command = [sys.executable, "-c", FOREVER]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == "trains\n"
        family = [psutil.Process(parent.pid), *psutil.Process(parent.pid).children()]
        assert len(family) == 3
        # Ctrl-C in a terminal reaches all of them. The first ends the others, which have to be there for it.
        for process in reversed(family[: 3 if number == signal.SIGINT else 1]):
            process.send_signal(number)
        _, err = parent.communicate()
    _, alive = psutil.wait_procs(family, timeout=300)
    assert alive == []
    assert err.count("Traceback") == (number == signal.SIGINT)  # that of this script


def test_a_barrier_waits_for_the_last_process(tmp_path: Path) -> None:
    training, _, _ = start({"shards": 3})
    team = Team(training.network, 3)

    def work() -> None:
        for turn in range(20):
            with (tmp_path / str(turn)).open("a") as file:
                file.write("x")
            team.wait()
            team.wait()

    with team.working(3, work):
        for turn in range(20):
            time.sleep(0.001 * (turn % 3))
            team.wait()
            assert (tmp_path / str(turn)).read_text() == "xx"
            assert not (tmp_path / str(turn + 1)).exists()
            team.wait()
