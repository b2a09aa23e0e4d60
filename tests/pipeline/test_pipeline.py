"""The real thing: DVC in a fresh clone of this tree, on the real MNIST, with few epochs."""

import csv
import datetime as dt
import json
import os
import platform
import re
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.pipeline.clone import Clone, finished_clone, stages_run

VEGA_LITE = re.compile(r'"\$schema": "https://vega.github.io/schema/vega-lite')
ALL = ["download", "prepare", "train", "evaluate", "plots_page", "report"]
AFTER_TRAINING = ["train", "evaluate", "report"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return finished_clone(tmp_path_factory)


@pytest.fixture
def clone(finished: Clone) -> Iterator[Clone]:
    """Return the finished clone, put in order again after the test."""
    yield finished
    finished.restore()
    assert finished.run("git", "status", "--porcelain") == ""
    finished.run("git", "clean", "--quiet", "--force", "-d")


def test_all_is_quiet_after_the_first_repro_and_after_the_second(clone: Clone) -> None:
    for _ in range(2):
        assert clone.repro() == []
        assert clone.run("dvc", "status").strip() == "Data and pipelines are up to date."
        assert clone.run("git", "status", "--porcelain") == ""
        clone.run("dvc", "checkout")
        assert clone.run("git", "status", "--porcelain") == ""


def test_a_forced_repro_gives_the_same_bytes(clone: Clone) -> None:
    ran = clone.repro("--force")
    # Nothing stands between plots_page and the stages before the report, and DVC may run it before them.
    assert [stage for stage in ran if stage != "plots_page"] == ["download", "prepare", *AFTER_TRAINING]
    assert ran.count("plots_page") == 1
    assert clone.run("git", "status", "--porcelain") == ""


def test_an_edit_runs_only_the_stages_that_depend_on_the_file(clone: Clone) -> None:
    def edit(*files: str) -> list[str]:
        for file in files:
            path = clone.root / file
            path.write_text(path.read_text() + "\n# A remark that changes nothing.\n")
        return clone.repro()

    assert edit("mnist/cli.py", "studies/ladder.py", "benchmarks/race.py") == []
    assert edit("report/page.py") == ["report"]
    # The new metrics are the old ones, so that the report stays as it is.
    assert edit("stages/evaluate.py") == ["evaluate"]
    clone.run("git", "checkout", "--quiet", ".")


def test_a_training_killed_with_dvc_resumes_and_ends_with_the_same_bytes(clone: Clone) -> None:
    clone.set("epochs: 2", "epochs: 10")
    # A checkpoint after every epoch: this training is too short for the usual pause between two.
    checkpoint = clone.root / "mnist/checkpoint.py"
    checkpoint.write_text(checkpoint.read_text() + "\n_PAUSE, _SHARE = 0, 1\n")
    clone.run("dvc", "repro", "train")
    undisturbed = clone.read("models/model.safetensors"), clone.read("plots/history.csv")
    process = clone.start("dvc", "repro", "--force", "--single-item", "train")
    deadline = time.monotonic() + 300
    while not list(clone.root.glob(".checkpoints/*.safetensors")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # DVC and the training it started, as a power cut would.
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert "resumes after epoch" in clone.run("dvc", "repro", "--force", "--single-item", "train")
    assert (clone.read("models/model.safetensors"), clone.read("plots/history.csv")) == undisturbed
    assert not list(clone.root.glob(".checkpoints/*.safetensors"))
    clone.run("git", "checkout", "--quiet", ".")


@pytest.mark.parametrize("year", [1990, 2037])
def test_a_clock_that_jumps_changes_nothing(year: int, clone: Clone) -> None:
    moment = dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()
    for folder in ("mnist", "stages", "data", "models", "metrics", "plots"):
        for path in (clone.root / folder).rglob("*"):
            # Not in DVC's cache, to whose files these may be links.
            if path.is_file() and not path.is_symlink():
                os.utime(path, (moment, moment))
    assert clone.repro() == []


def test_two_repros_at_once_end_with_one_good_result(clone: Clone) -> None:
    before = clone.read("models/model.safetensors")
    both = [clone.start("dvc", "repro", "--force", "train") for _ in range(2)]
    outputs = [process.communicate()[0] for process in both]
    assert min(process.returncode for process in both) == 0
    for process, output in zip(both, outputs, strict=True):
        assert process.returncode == 0 or "lock" in output
        assert "Traceback" not in output
    assert clone.read("models/model.safetensors") == before
    clone.run("dvc", "status", "--quiet")


def test_damaged_outputs_are_made_again(clone: Clone) -> None:
    outputs = ["models/model.safetensors", "metrics/scores.json", "data/prepared.npz", "reports/index.html"]
    before = [clone.read(output) for output in outputs]
    for output, content in zip(outputs, before, strict=True):
        data = bytearray(content)
        data[len(data) // 2] ^= 1
        (clone.root / output).unlink()
        (clone.root / output).write_bytes(data)
    clone.run("dvc", "repro")
    assert [clone.read(output) for output in outputs] == before
    clone.run("dvc", "status", "--quiet")


def test_an_experiment_runs_the_stages_it_concerns_and_is_listed(clone: Clone) -> None:
    changes = ["data.validation=59500", "network.activation=sigmoid", "network.hidden=[30,20]", "eta=1e-2", "epochs=1"]
    options = [word for change in changes for word in ("-S", change)]
    ran = stages_run(clone.run("dvc", "exp", "run", "--name", "tried", *options))
    assert ran == ["prepare", *AFTER_TRAINING]
    assert float(clone.experiments()["tried"]["test.accuracy"]) > 0
    assert "test.accuracy" in clone.run("dvc", "metrics", "diff")
    changed = json.loads(clone.run("dvc", "params", "diff", "--json"))["params.yaml"]
    assert {name.split("[")[0] for name in changed} == {change.split("=")[0] for change in changes}
    clone.run("dvc", "exp", "remove", "tried")


def test_an_experiment_repeated_and_the_way_back_train_nothing(clone: Clone) -> None:
    assert stages_run(clone.run("dvc", "exp", "run", "-S", "eta=0.02")) == AFTER_TRAINING
    trained = clone.read("models/model.safetensors")
    assert stages_run(clone.run("dvc", "exp", "run", "-S", "eta=0.1")) == []
    assert clone.read("models/model.safetensors") != trained
    assert stages_run(clone.run("dvc", "exp", "run", "-S", "eta=0.02")) == []
    assert clone.read("models/model.safetensors") == trained
    assert clone.restore() == []
    clone.run("dvc", "exp", "remove", "--all-commits")
    assert clone.run("git", "status", "--porcelain") == ""


def test_on_other_kernels_the_way_back_keeps_what_only_this_machine_has(clone: Clone, tmp_path: Path) -> None:
    # A colleague's clone of the recorded state: git brings dvc.lock, and nobody brings what it names.
    clone.run("git", "clone", "--quiet", str(clone.root), str(tmp_path / "other"))
    other = Clone(tmp_path / "other", tmp_path / "site")
    other.environment |= {"OPENBLAS_CORETYPE": "Nehalem" if platform.machine() == "x86_64" else "ARMV8"}
    assert other.repro() == ALL
    own = other.read("models/model.safetensors")
    assert own != clone.read("models/model.safetensors")
    changed = other.run("git", "status", "--porcelain").split()
    other.run("dvc", "exp", "run", "-S", "eta=0.05", "-S", "epochs=1")
    assert other.restore() == []
    assert other.read("models/model.safetensors") == own
    assert other.run("git", "status", "--porcelain").split() == changed
    # By the recorded lock DVC deletes the outputs, which it does not name. The cache keeps them.
    other.run("git", "checkout", "--quiet", "HEAD", ".")
    assert "Checkout failed" in other.fail("dvc", "checkout")
    assert not (other.root / "models/model.safetensors").exists()
    (other.root / "dvc.lock").unlink()
    assert other.repro() == ["download"]
    assert other.read("models/model.safetensors") == own


def test_metrics_show_lists_loss_and_accuracy_in_a_narrow_table(clone: Clone) -> None:
    header = clone.run("dvc", "metrics", "show").splitlines()[0].split()
    figures = {f"{name}.{figure}" for name in ("train", "validation", "test") for figure in ("loss", "accuracy")}
    assert set(header) == {"Path", "test.ece", "test.ece_before", "test.unknown"} | figures


def test_plots_show_writes_a_page_that_needs_no_internet(clone: Clone) -> None:
    clone.run("dvc", "plots", "show")
    page = clone.read("dvc_plots/index.html").decode()
    assert re.findall(r"<(?:script|link)[^>]*(?:src|href)=[^>]*>", page) == ['<script src="../plots/vega.js">']
    assert b"vegaEmbed" in clone.read("plots/vega.js")
    for title in ("Loss", "Accuracy", "Confusion matrix"):
        assert f'"{title}' in page
    assert len(VEGA_LITE.findall(page)) == 3
    assert '"title": "mistakes"' in page  # from .dvc/plots
    pictures = re.findall(r'<img[^>]*src="([^"]+)"', page)
    assert len(pictures) == 3
    assert all((clone.root / "dvc_plots" / picture).is_file() or picture.startswith("data:") for picture in pictures)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("eta=abc", "eta = 'abc': should be a valid number"),
        ("eta=1e30", "training diverged in epoch 1"),
    ],
)
def test_an_experiment_that_fails_says_why_and_loses_nothing(change: str, message: str, clone: Clone) -> None:
    outputs = ["models/model.safetensors", "plots/history.csv", "metrics/scores.json", "data/prepared.npz"]
    before = [clone.read(output) for output in outputs]
    assert message in clone.fail("dvc", "exp", "run", "-S", change)
    assert [clone.read(output) for output in outputs] == before
    clone.restore()
    clone.run("dvc", "status", "--quiet")


def test_a_recipe_for_another_data_set_rejects_the_files_that_are_there(clone: Clone) -> None:
    clone.set("dataset: mnist", "dataset: fashion-mnist")
    before = clone.read("data/prepared.npz")
    message = "data/raw/train-images-idx3-ubyte: belongs to mnist, not to fashion-mnist"
    assert message in clone.fail("python", "-m", "stages.prepare")
    assert clone.read("data/prepared.npz") == before


def test_the_command_of_a_trial_gives_its_validation_accuracy(clone: Clone) -> None:
    space = {"method": "grid", "trials": 2, "epochs": 2, "objective": "validation_accuracy", "halving": 1}
    space |= {"recipe": "params.yaml", "first_rung": 1, "time_limit": 600, "space": {"eta": [0.05, 0.2]}}
    # Where git does not look.
    (clone.root / ".studies").mkdir(exist_ok=True)
    (clone.root / ".studies/space.yaml").write_text(yaml.safe_dump(space))
    sweep = (sys.executable, "-m", "studies.sweep", ".studies/space.yaml", "--workers", "1")
    *_, command = clone.run(*sweep).splitlines()
    assert stages_run(clone.run(*shlex.split(command))) == AFTER_TRAINING
    rows = csv.DictReader((clone.root / ".studies/sweep/space/trials.csv").read_text().splitlines())
    (accuracy,) = (row["validation_accuracy"] for row in rows if row["command"] == command)
    scores = json.loads((clone.root / "metrics/scores.json").read_text())
    assert scores["validation"]["accuracy"] == float(accuracy)
