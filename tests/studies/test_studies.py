"""Seeds, ladder and choices: their recipes, their kept runs, their results, and the evidence in git."""

import csv
import json
import signal
import time
from pathlib import Path

import pytest

from mnist.checked import RecipeError, flatten
from mnist.data.published import TEST_IMAGES, TEST_LABELS
from mnist.files import load_json
from mnist.recipe import PARAMS, Recipe
from stages.pipeline import RAW
from studies import choices, ladder, results
from studies.results import Run
from tests.helpers import ROOT, recipe
from tests.stages.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.set(epochs=1)
    return project


@pytest.fixture
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_every_seed_is_printed_saved_and_summarised(project: Project) -> None:
    out = project.run("studies.seeds params.yaml --seeds 3 --jobs 2 --save mine")
    with (project.root / "studies/results/mine.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["recipe"], row["seed"]) for row in rows] == [("params", str(seed)) for seed in (1, 2, 3)]
    project.run("stages.prepare", "stages.train", "stages.evaluate")
    scores = json.loads((project.root / "metrics/scores.json").read_text())
    assert float(rows[0]["test_accuracy"]) == scores["test"]["accuracy"]
    assert float(rows[0]["validation_loss"]) == pytest.approx(scores["validation"]["loss"], rel=1e-6)
    accuracies = [100 * float(row["test_accuracy"]) for row in rows]
    assert f"| params | 3 | {sum(accuracies) / 3:.2f} ± " in out
    assert f"| {min(accuracies):.2f} to {max(accuracies):.2f} |" in out


def test_a_study_resumes_with_the_seeds_that_are_missing(project: Project) -> None:
    project.run("studies.seeds params.yaml --seeds 1")
    (kept,) = (project.root / ".studies").iterdir()
    header = kept.read_text().splitlines()[0]
    kept.write_text(f"{header}\n0.125,1,1,1,1,1\n")
    # The study reads the kept seed and runs the other; it runs both seeds of another recipe.
    assert "params, seed 1: test_accuracy 0.1250" in project.run("studies.seeds params.yaml --seeds 2")
    project.set(eta=0.01, epochs=1)
    assert "test_accuracy 0.1250" not in project.run("studies.seeds params.yaml --seeds 1")
    # A damaged run is run again.
    for path in (project.root / ".studies").iterdir():
        path.write_text("gibberish")
    assert "test_accuracy 0." in project.run("studies.seeds params.yaml --seeds 1")


def test_choices_are_compared_without_opening_the_test_images(project: Project) -> None:
    for file in (TEST_IMAGES, TEST_LABELS):
        (project.root / RAW / file).unlink()
    (project.root / "studies/recipes").mkdir(parents=True)
    (project.root / "studies/recipes/choices.yaml").write_text("default: {}\nslow: {eta: 0.000001}\n")
    out = project.run("studies.choices")
    rows = list(csv.DictReader((project.root / "studies/results/choices.csv").read_text().splitlines()))
    assert [(row["recipe"], row["seed"]) for row in rows] == [
        ("default", "1"), ("default", "2"), ("slow", "1"), ("slow", "2")
    ]  # fmt: skip
    assert {row["test_accuracy"] for row in rows} == {"nan"}
    assert float(rows[0]["validation_accuracy"]) > float(rows[2]["validation_accuracy"])
    assert "| slow | 2 |" in out


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_no_run_outlives_its_study(kill: signal.Signals, project: Project) -> None:
    project.set(epochs=1_000_000)
    process = project.start("-m", "studies.seeds", "params.yaml", "--seeds", "2", "--jobs", "2")
    deadline = time.monotonic() + 300
    while len(list(project.root.glob(".checkpoints/*.safetensors"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(kill)
    _, err = process.communicate(timeout=300)
    assert (
        err.endswith("interrupted; earlier results are untouched, and the same command resumes\n")
        or kill == signal.SIGKILL
    )
    while children_of(project.root):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children_of(folder: Path) -> list[str]:
    """Return the processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found += [process.name] if (process / "cwd").readlink() == folder.resolve() else []
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("overlay.yaml", "etta: 1\n", "etta: there is no such key; did you mean eta?"),
        ("overlay.yaml", "network: {widths: 3}\n", "network.widths: there is no such key"),
        ("overlay.yaml", "hidden: []\n", "hidden: there is no such key; did you mean network.hidden?"),
        ("nowhere.yaml", None, "nowhere.yaml: cannot be read: No such file or directory"),
    ],
)
def test_an_overlay_with_a_fault_is_rejected_by_name(
    file: str, text: str | None, message: str, project: Project
) -> None:
    if text is not None:
        (project.root / file).write_text(text)
    assert message in project.fail(f"studies.seeds {file}")


@pytest.mark.usefixtures("_at_root")
def test_the_ladder_leads_from_the_notebook_to_the_default_recipe() -> None:
    rungs = ladder.load_rungs()
    assert next(iter(rungs)) == "notebook"
    default, sigmoid = Recipe.load(Path("params.yaml")), Recipe.load_overlay(Path("studies/recipes/sigmoid.yaml"))
    # Larger batches, an eta that suits them, and shards only save time.
    faster = {"seed", "shards", "batch_size", "eta"}
    assert rungs["relu"].model_dump(exclude=faster) == default.model_dump(exclude=faster)
    slow = {"seed", "shards"}
    assert rungs["weight_decay"].model_dump(exclude=slow) == sigmoid.model_dump(exclude=slow)


@pytest.mark.usefixtures("_at_root")
def test_every_alternative_recipe_is_valid() -> None:
    for path in (Path("studies/recipes/record.yaml"), Path("benchmarks/fast.yaml")):
        Recipe.load_overlay(path)
    assert choices.load_choices()["tanh"].network.activation == "tanh"


def test_recorded_figures_belong_to_the_recipes_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    # If this fails: measure again (`dvc repro`, `python -m studies.NAME`), or undo the change of the recipe.
    monkeypatch.chdir(ROOT)
    for name, recipes in (("ladder", ladder.load_rungs()), ("hands", {"default": Recipe.load(PARAMS)})):
        recorded = load_json(results.RESULTS / f"{name}.json")["recipes"]
        assert recorded.keys() == recipes.keys()
        for each, values in recorded.items():
            # A key that was added after the measurement does not count: its value in params.yaml changes nothing.
            present = flatten(recipes[each].model_dump())
            assert {key: present.get(key) for key in flatten(values)} == flatten(values)


def test_runs_are_saved_with_their_recipes_and_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run("mine", 1, 0.9, 0.3, 0.8, 0.4, 0.5, 2.0)
    results.save_results("study", [run], {"mine": recipe()})
    assert results.load_rows(results.RESULTS / "study.csv", Run) == [run]
    assert load_json(results.RESULTS / "study.json")["recipes"] == {"mine": recipe().model_dump(exclude={"seed"})}


def test_a_summary_is_the_statistics_of_the_runs() -> None:
    runs = [Run("mine", seed, accuracy, 0, 0.5, 0, 0, 10 * seed) for seed, accuracy in ((1, 0.9), (2, 0.94))]
    (summary,) = results.summarize(runs)
    assert summary == pytest.approx(("mine", 2, 92, 2 * 2**0.5, 90, 94, 15))


def test_a_recipe_of_a_study_that_is_no_table_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "CHOICES", tmp_path / "choices.yaml")
    monkeypatch.chdir(ROOT)
    (tmp_path / "choices.yaml").write_text("fast: 3\n")
    with pytest.raises(RecipeError, match=r"choices\.yaml, fast: should be lines of `key: value`, not 3"):
        choices.load_choices()
