"""The ladder from the notebook to the default recipe, and the runs over seeds that measure it."""

import math
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mnist.environment import THREAD_VARIABLES
from mnist.files import save_bytes
from mnist.hyperparameters import HyperparameterError, Hyperparameters
from mnist.sources import TEST_LABELS, TRAIN_LABELS
from recipes.choices import SEEDS, load_choices
from recipes.ladder import Rung, chart, markdown
from recipes.rungs import fingerprint, load_rungs
from recipes.runs import StudyError, in_parallel, kept
from recipes.seeds import Run, load_runs, summarise
from stages.command import RAW
from tests.recipe import ROOT, random_digits, recipe

RUNGS = load_rungs(ROOT / "recipes/notebook.yaml", ROOT / "recipes/ladder.yaml")
PIPELINE = yaml.safe_load((ROOT / "recipes/dvc.yaml").read_text())["stages"]
DIGITS = random_digits(400)
RUNS = [Run(1, 0.98, 0.06, 0.97, 0.3, 10), Run(2, 0.99, 0.05, 0.98, 0.2, 14)]


def load(name: str) -> Hyperparameters:
    return Hyperparameters.load(ROOT / name)


def test_the_ladder_leads_from_the_notebook_to_the_default() -> None:
    first, *_, last = RUNGS.values()
    assert first == load("recipes/notebook.yaml")
    assert last.model_dump(exclude={"seed"}) == load("params.yaml").model_dump(exclude={"seed"})


def test_the_sigmoid_recipe_is_the_last_rung_with_sigmoids() -> None:
    *_, last = [rung for rung in RUNGS.values() if rung.activation == "sigmoid"]
    assert load("recipes/sigmoid.yaml").model_dump(exclude={"seed"}) == last.model_dump(exclude={"seed"})


def test_every_choice_but_the_default_differs_from_it() -> None:
    choices = load_choices(ROOT / "params.yaml", ROOT / "recipes/choices.yaml")
    assert len(choices) == len(SEEDS) * len({name for name, _ in choices})
    default = choices[0].parameters
    for name, parameters in choices:
        changed = parameters.model_copy(update={"seed": default.seed})
        assert (changed == default) == (name == "default"), name


def test_every_step_changes_what_it_names() -> None:
    steps = yaml.safe_load((ROOT / "recipes/ladder.yaml").read_text())
    before, *rungs = RUNGS.values()
    for changes, rung in zip(steps.values(), rungs, strict=True):
        assert {key for key in changes if getattr(before, key) == getattr(rung, key)} == set()
        before = rung


def test_the_pipeline_measures_every_rung() -> None:
    assert PIPELINE["rung"]["matrix"]["rung"] == PIPELINE["seeds"]["matrix"]["rung"] == list(RUNGS)
    tables = [name for name in PIPELINE["ladder"]["deps"] if name.endswith("runs.csv")]
    assert tables == [f"recipes/ladder/{name}/runs.csv" for name in RUNGS]


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ({"faster": {"etta": 0.1}}, r"steps.yaml, faster:\n  etta: there is no such key; did you mean eta\?"),
        ({"faster": {"momentum": "warp"}}, "steps.yaml, faster:\n  momentum = 'warp': should be"),
        ({"faster": {"rotation": 10}}, "faster:\n  normalize = 'min_max_by_position' fits only images as they are"),
        ({"faster": 3}, "faster: should be lines of `key: value`, not 3"),
    ],
)
def test_a_step_that_is_not_allowed_is_refused_by_name(tmp_path: Path, steps: dict[str, Any], fault: str) -> None:
    (tmp_path / "steps.yaml").write_text(yaml.safe_dump(steps))
    with pytest.raises(HyperparameterError, match=fault):
        load_rungs(ROOT / "recipes/notebook.yaml", tmp_path / "steps.yaml")


def test_a_fingerprint_tells_recipes_apart_and_is_the_same_twice() -> None:
    small = {"hidden": [16], "batch_size": 20}
    assert fingerprint(recipe(**small), DIGITS) == fingerprint(recipe(**small), DIGITS)
    for change in (
        {"eta": 0.11},
        {"activation": "tanh"},
        {"elastic": 1},
        {"order": "file"},
        {"normalize": "standardize"},
    ):
        assert fingerprint(recipe(**small | change), DIGITS) != fingerprint(recipe(**small), DIGITS), change


def test_figures_over_seeds_are_those_of_the_statistics_module() -> None:
    summary = summarise(RUNS)
    assert summary["mean"] == pytest.approx(tuple(map(statistics.mean, zip(*RUNS, strict=True)))[1:])
    assert summary["deviation"][0] == pytest.approx(0.01 / 2**0.5)
    assert (summary["minimum"][0], summary["maximum"][0]) == (0.98, 0.99)
    assert "deviation" not in summarise(RUNS[:1])
    without_validation = [run._replace(validation_accuracy=math.nan) for run in RUNS]
    assert summarise(without_validation)["deviation"][0] == pytest.approx(0.01 / 2**0.5)


def test_a_rung_is_told_in_per_cent() -> None:
    rung = Rung.of("relu", RUNS)
    assert rung == Rung("relu", 2, 98.5, 0.707, 98, 99, 12)
    assert "| relu | 98.50 ± 0.71 | 98.00 to 99.00 | 12 |" in markdown([rung])
    assert chart([rung])["data"]["values"][0]["wrong"] == pytest.approx(1.5)


def test_the_recorded_runs_are_of_five_seeds_a_rung() -> None:
    for name in RUNGS:
        runs = load_runs(ROOT / f"recipes/ladder/{name}/runs.csv")
        assert [run.seed for run in runs] == [1, 2, 3, 4, 5]


def test_a_run_is_kept_until_recipe_or_data_change_or_its_file_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (TRAIN_LABELS, TEST_LABELS):
        save_bytes(RAW / name, b"labels")
    made: list[tuple[float, float]] = []

    def run() -> tuple[float, float]:
        made.append((0.5 + len(made), math.pi))
        return made[-1]

    def figures(**changes: Any) -> tuple[float, ...]:
        return kept("test", recipe(**changes), (TRAIN_LABELS,), ("accuracy", "loss"), run)

    assert figures() == figures() == (0.5, math.pi)
    assert figures(eta=0.3) == figures(eta=0.3) == (1.5, math.pi)
    save_bytes(RAW / TRAIN_LABELS, b"other labels")
    assert figures() == figures() == (2.5, math.pi)
    save_bytes(RAW / TEST_LABELS, b"other labels, which the run does not read")
    assert figures() == (2.5, math.pi)
    for number, damaged in enumerate((b"", b"\xff", b"accuracy,loss\n", b"accuracy,loss\n0.5,abc\n")):
        for file in Path("recipes/runs").iterdir():
            file.write_bytes(damaged)
        assert figures() == figures() == (3.5 + number, math.pi)


# Each job tells the number of its process and works until somebody ends it.
STUDY = """
import sys
from pathlib import Path
from recipes.runs import in_parallel
from tests.test_recipes import work_on

if __name__ == "__main__":
    list(in_parallel(work_on, [Path(sys.argv[1])], 1))
"""


def work_on(file: Path) -> None:
    save_bytes(file, str(os.getpid()).encode())
    time.sleep(600)


def test_workers_do_not_outlive_a_study_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "study.py").write_text(STUDY)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    study = subprocess.Popen([sys.executable, tmp_path / "study.py", tmp_path / "worker"], env=environment)
    wait_until((tmp_path / "worker").exists)
    worker = int((tmp_path / "worker").read_text())
    assert is_alive(worker)
    study.kill()
    study.wait()
    wait_until(lambda: not is_alive(worker))


def end_at(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_study_whose_worker_is_killed_ends_with_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in THREAD_VARIABLES:
        monkeypatch.setenv(variable, "1")  # as `in_parallel` does, but taken back
    with pytest.raises(StudyError, match="a training was killed"):
        list(in_parallel(end_at, range(4), 1))


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
