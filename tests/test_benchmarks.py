"""The benchmarks: another library with the same work computes the same training, its error does not end a race, and
the reader copes with paper.
"""

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import accuracy, machine, paper, publish, race, unknown
from benchmarks.contestants import PROJECT, RACERS
from benchmarks.turns import take_turns
from benchmarks.work import Work
from mnist.files import load_csv
from mnist.nn.arrays import FloatArray
from mnist.recipe import PARAMS, Recipe
from tests.helpers import ROOT, random_digits
from tests.stages.project import Project
from tests.trained import TrainedProject

SMALL: dict[str, Any] = {"batch_size": 20, "network": {"hidden": [12, 8]}}
PLAIN = Recipe.load_overlay(ROOT / race.PLAIN, ROOT / PARAMS)


class Peer:
    """Another library: relu, softmax and Nesterov's momentum, from the first weights of some work."""

    def __init__(self, work: Work) -> None:
        self.weights = work.first_weights()
        self.velocities = [np.zeros_like(weights) for weights in self.weights]
        self.alpha = work.recipe.alpha

    def step(self, images: FloatArray, labels: NDArray[np.integer], eta: float) -> float:
        """Train on a batch, and return its loss."""
        a = [images]
        for weights in self.weights[:-1]:
            a.append(np.maximum(a[-1] @ weights, 0))
        z = a[-1] @ self.weights[-1]
        powers = np.exp(z - z.max(axis=1, keepdims=True))
        delta = powers / powers.sum(axis=1, keepdims=True)
        rows = np.arange(len(labels))
        loss = -np.log(delta[rows, labels]).mean()
        delta[rows, labels] -= 1
        for layer in reversed(range(len(self.weights))):
            gradient = a[layer].T @ delta / len(labels)
            delta = (delta @ self.weights[layer].T) * (a[layer] > 0)
            self.velocities[layer] = self.alpha * self.velocities[layer] - eta * gradient
            self.weights[layer] = self.weights[layer] + self.alpha * self.velocities[layer] - eta * gradient
        return float(loss)


def test_a_peer_of_the_race_has_the_losses_of_this_project() -> None:
    recipe = PLAIN.changed("a test", SMALL | {"eta": 0.01, "data": {"normalize": "standardize"}})
    work = Work(recipe, recipe.prepare(random_digits(200)))
    peer, images, labels = Peer(work), work.inputs(), work.prepared.training.labels
    for _, own, order in zip(range(3), RACERS[PROJECT](work), work.orders(), strict=False):
        losses = [peer.step(images[batch], labels[batch], recipe.eta) for batch in order.reshape(-1, 20)]
        assert np.mean(losses) == pytest.approx(own, rel=1e-4)


def test_a_peer_of_the_time_to_accuracy_has_the_weights_of_this_project() -> None:
    overlay = Recipe.load_overlay(ROOT / "benchmarks/fast.yaml", ROOT / PARAMS)
    recipe = overlay.changed("a test", SMALL | {"batch_size": 100, "eta": 0.02, "deformation": {"fading": 0.5}})
    work = Work(recipe, recipe.prepare(random_digits(4000)))  # two chunks in an epoch
    peer, (training, batches) = Peer(work), recipe.start(work.prepared)
    for _ in work.train(training, batches):
        pass
    for images, labels, etas in work.chunks():
        for batch in zip(images, labels, etas, strict=True):
            peer.step(*batch)
    for own, weights in zip(training.network.weights, peer.weights, strict=True):
        np.testing.assert_allclose(weights, own, rtol=1e-4, atol=1e-5)


def test_a_peer_that_fails_is_left_out_and_this_project_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    rounds = [("e",), ("o",), ("e",)]  # "peer" has no o
    assert take_turns([PROJECT, "peer"], str.index, rounds) == {PROJECT: [9, 7, 9]}
    assert "peer does not run: ValueError: substring not found" in capsys.readouterr().out
    with pytest.raises(ValueError, match="substring not found"):
        take_turns([PROJECT], str.index, [("z",)])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path)
    project.set(network={"hidden": [100, 100]}, batch_size=100)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(race, "PLAIN", ROOT / race.PLAIN)
    return project


def test_the_race_writes_its_table(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [PROJECT, "its matrix products alone"]
    monkeypatch.setattr(race, "RACERS", dict.fromkeys(names))
    monkeypatch.setattr(race, "ROUNDS", 2)
    monkeypatch.setattr(sys, "argv", ["race"])
    race.main()
    (table,) = (project.root / machine.RESULTS).glob("*.csv")
    own, products = load_csv(table, race.Row._fields)
    assert [own["name"], products["name"]] == names
    assert own["ratio"] == own["lowest_ratio"] == own["highest_ratio"] == "1.0"
    assert float(own["first_loss"]) == pytest.approx(
        next(RACERS[PROJECT](Work.load(Recipe.load_overlay(race.PLAIN)))), rel=1e-6
    )
    assert f"| {PROJECT} | " in publish.make_table(table)


@pytest.mark.parametrize("page", [page for pattern in publish.PAGES for page in sorted(ROOT.glob(pattern))])
def test_the_tables_of_the_docs_are_the_measured_ones(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # If this fails: `python -m benchmarks.publish`.
    monkeypatch.chdir(ROOT)
    assert publish.fill_tables(page.read_text()) == page.read_text()


def test_a_table_of_another_file_has_its_lines_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text('a,"b, s"\n1,2\n')
    assert publish.make_table(tmp_path / "other.csv") == "| a | b, s |\n| --- | --- |\n| 1 | 2 |"


@pytest.mark.parametrize("name", ["its matrix products alone", "the notebook's loop"])
@pytest.mark.usefixtures("project")
def test_a_racer_that_needs_only_numpy_trains_epoch_after_epoch(name: str) -> None:
    epochs = RACERS[name](Work.load(Recipe.load_overlay(race.PLAIN)))
    first, second = next(epochs), next(epochs)
    assert math.isnan(first) or second < first


@pytest.mark.usefixtures("project")
def test_the_marks_are_passed_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    path = ROOT / "benchmarks/fast.yaml"
    monkeypatch.setattr(accuracy, "MARKS", {path: (0.2, 0.3, 1.1)})
    first, second, third = (passed.seconds for passed in accuracy.time_to_marks(PROJECT, path, seed=1))
    assert 0 < first <= second < third == math.inf


PAPERS = (
    "plain",
    "lined",
    "squared",
    "dotted",
    "soft shadow",
    "hard shadow",
    "table",
    "fold",
    "thumb",
    "thin pen, lined",
)


def test_digits_are_read_on_paper_as_the_network_reads_them_without(trained: TrainedProject) -> None:
    with np.load(trained.workspace.prepared) as prepared:
        images = prepared["validation_images"][:12]
    expected = trained.model(images).argmax(axis=1)
    same = [
        np.mean(trained.model(paper.read_kind(kind, 100 + seed, images)).argmax(axis=1) == expected)
        for seed, kind in enumerate(PAPERS)
    ]
    # The network of the tests is unsure of some digits, and a pixel more or less decides.
    assert np.mean(same) >= 0.97
    assert min(same) >= 0.9


def test_the_same_kind_and_number_give_the_same_picture() -> None:
    image = random_digits(1).images.reshape(28, 28)
    first, again = (paper.Paper("squared, fold", 3).photograph(image, 5).getvalue() for _ in range(2))
    assert first == again
    assert first != paper.Paper("squared, fold", 4).photograph(image, 5).getvalue()


def test_the_benchmark_of_paper_writes_its_table(
    trained: TrainedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained.root)
    monkeypatch.setattr(paper, "KINDS", ("plain", "lined, table"))
    monkeypatch.setattr(machine, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["paper", "--digits", "3"])
    paper.main()
    rows = load_csv(tmp_path / "paper.csv", paper.Read._fields)
    assert [(row["kind"], row["digits"]) for row in rows] == [("plain", "3"), ("lined, table", "3")]
    assert "| 1 | lined, table | 3 | " in publish.make_table(tmp_path / "paper.csv")


def test_unknown_images_are_flagged_and_digits_are_not(
    trained: TrainedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained.root)
    monkeypatch.setattr(unknown, "TIMES", 2)
    monkeypatch.setattr(unknown, "FONTS", Path("none"))
    monkeypatch.setattr(sys, "argv", ["unknown"])
    unknown.main()
    file = machine.RESULTS / "unknown.csv"
    flagged = {row["kind"]: float(row["flagged"]) for row in load_csv(file, unknown.Flagged._fields)}
    assert flagged.pop("test digits") < 0.05
    assert flagged.pop("letters of fonts that are digits too") < flagged["letters of fonts"]
    assert flagged.pop("drawn letters that are digits too") < flagged["drawn letters"]
    assert flagged.pop("shapes that are digits too") < flagged["shapes"]
    assert flagged.pop("zigzags that are digits too") < flagged["zigzags"]
    assert min(flagged.values()) > 0.2
    assert np.mean(list(flagged.values())) > 0.6
    assert "| drawn letters | 54 | " in publish.make_table(file)
