"""The file of a sweep: what it means, and everything that is refused before the first trial."""

from pathlib import Path
from typing import Any

import pytest

from mnist.hyperparameters import HyperparameterError
from sweeps.space import GRID_LIMIT, Choices, Range, Sweep
from tests.recipe import NUMBERS, ROOT
from tests.sweeps.faults import write


def load(folder: Path, **changes: Any) -> Sweep:
    return Sweep.load(write(folder, **changes))


def test_the_sweep_of_the_project_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    sweep = Sweep.load(Path("sweeps/sweep.yaml"))
    assert set(sweep.axes) == {"eta", "alpha", "batch_size"}
    assert sweep.rungs == [1, 3, 8]


def test_a_grid_is_every_combination_once(tmp_path: Path) -> None:
    space = {"eta": [0.1, "1e-2"], "hidden": [[8], [8, 8]], "activation": ["relu", "tanh", "sigmoid"]}
    sweep = load(tmp_path, space=space)
    assert sweep.grid is not None
    assert sweep.trials == len(sweep.grid) == len({str(point) for point in sweep.grid}) == 12
    assert {str(point["eta"]) for point in sweep.grid} == {"0.1", "0.01"}
    assert load(tmp_path, space=space).grid == sweep.grid


def test_of_a_large_grid_as_many_points_as_were_asked_for(tmp_path: Path) -> None:
    many = [round(0.001 * number, 3) for number in range(1, 900)]
    sweep = load(tmp_path, trials=7, space={"eta": many, "alpha": many, "weight_decay": many, "shear": many})
    assert sweep.grid is not None
    assert len({str(point) for point in sweep.grid}) == sweep.trials == 7


def test_ranges_are_whole_where_the_hyperparameter_is(tmp_path: Path) -> None:
    space = {
        "eta": {"low": "1e-3", "high": 1, "log": True},
        "batch_size": {"low": 5, "high": 50},
        "bias": [True, False],
    }
    sweep = load(tmp_path, method="tpe", trials=5, space=space)
    assert sweep.axes == {
        "eta": Range(0.001, 1, log=True, whole=False),
        "batch_size": Range(5, 50, log=False, whole=True),
        "bias": Choices((True, False)),
    }
    assert sweep.grid is None


def test_a_trial_is_a_recipe_for_each_seed(tmp_path: Path) -> None:
    sweep = load(tmp_path, seeds=[3, 5], epochs=7)
    recipes = sweep.recipes({"eta": 0.02, "alpha": 0.9})
    assert [(recipe.seed, recipe.eta, recipe.alpha, recipe.epochs) for recipe in recipes] == [
        (3, 0.02, 0.9, 7),
        (5, 0.02, 0.9, 7),
    ]


@pytest.mark.parametrize(
    ("epochs", "first_rung", "halving", "rungs"),
    [(8, 1, 3, [1, 3, 8]), (9, 1, 3, [1, 3, 9]), (8, 2, 2, [2, 4, 8]), (8, 1, 0, [8]), (1, 1, 4, [1]), (2, 5, 2, [2])],
)
def test_rungs(tmp_path: Path, epochs: int, first_rung: int, halving: int, rungs: list[int]) -> None:
    assert load(tmp_path, epochs=epochs, first_rung=first_rung, halving=halving).rungs == rungs


MANY = [round(0.01 * number, 2) for number in range(1, 100)]
HUGE = dict.fromkeys(NUMBERS, MANY) | {"batch_size": list(range(1, 100))}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"space": {"etta": [0.1]}}, r"sweep.yaml, space:\n  etta: there is no such key; did you mean eta\?"),
        ({"space": {"eta": [0.1, -1]}}, r"space:\n  eta = -1: should be greater than 0 \(eta: learning rate\)"),
        ({"space": {"alpha": [0.5, 1]}}, "alpha = 1: should be less than 1"),
        ({"space": {"activation": ["relu", "warp"]}}, "activation = 'warp': should be"),
        ({"space": {"hidden": [100, 50]}}, "hidden = 100: should be a valid list"),
        ({"space": {"eta": []}}, "eta: is an empty list"),
        ({"space": {}}, "space = {}: .*at least 1"),
        ({"space": 3}, "space = 3: should be a valid dictionary"),
        ({"space": {"eta": 0.1}}, "eta = 0.1: should be a list of values, or {low: ..., high: ...}"),
        ({"space": {"eta": {"low": 1}}}, "should be a list of values, or {low"),
        ({"space": {"eta": [0.1, 0.1]}}, "each value should be there once"),
        ({"space": {"seed": [1, 2]}}, "seed: is not a thing to try: the sweep's own key `seeds` says which"),
        ({"space": {"epochs": [1, 2]}}, "epochs: is not a thing to try"),
        ({"space": {"validation": [10, 20]}}, "validation: is not a thing to try"),
        ({"space": {"eta": {"low": 0.1, "high": 1}}}, "eta: a grid is made of lists"),
        ({"space": {"eta": MANY, "alpha": MANY, "shear": MANY}}, "970,299 points; say how many of them to try"),
        ({"space": HUGE, "trials": 5}, "the grid has .* points; say how many of them to try"),
        ({"method": "random"}, f"trials = all: should be a number from 1 to {GRID_LIMIT:,}"),
        ({"method": "tpe", "trials": 0}, "trials = 0: should be a number from 1"),
        ({"trials": "many"}, r"\n  trials = 'many': should be a number .*\n  trials = 'many': should be 'all'"),
        ({"trials": 10**6}, "trials = 1000000: should be a number from 1 to 10,000"),
        ({"method": "random", "trials": 3, "space": {"eta": {"low": 1, "high": 0.1}}}, "low = 1.0 should be below"),
        ({"method": "random", "trials": 3, "space": {"alpha": {"low": 0, "high": 0.9, "log": True}}}, "no logarithm"),
        ({"method": "random", "trials": 3, "space": {"eta": {"low": 0.1, "high": 1, "log": 3}}}, "log = 3: should be"),
        ({"method": "random", "trials": 3, "space": {"loss": {"low": "a", "high": "b"}}}, "loss = 'a': should be"),
        ({"method": "random", "trials": 3, "space": {"bias": {"low": False, "high": True}}}, "bias: is no number"),
        ({"method": "anneal"}, "method = 'anneal': should be 'grid', 'random' or 'tpe'"),
        ({"seeds": []}, "seeds = .*at least 1"),
        ({"seeds": [1, 1]}, "seeds = .*each should be there once"),
        ({"seeds": [-1]}, "seed = -1: should be greater than or equal to 0"),
        ({"seeds": [1, -2]}, "seeds:\n  seed = -2: should be greater than or equal to 0"),
        ({"halving": 1}, "halving = 1: should be 0, for no pruning, or 2 and more"),
        ({"time_limit": 0}, "time_limit = 0: should be greater than 0"),
        ({"wibble": 1}, "wibble: there is no such key"),
        ({"recipe": "nowhere.yaml"}, "nowhere.yaml: cannot be read"),
        ({"space": {"normalize": ["unit", "min_max_by_position"]}}, "tells 100 positions in a batch apart"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_in_words(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(HyperparameterError, match=fault):
        load(tmp_path, **changes)


def test_values_that_fit_only_together_are_allowed(tmp_path: Path) -> None:
    space = {"normalize": ["min_max_by_position"], "batch_size": [100]}
    assert load(tmp_path, space=space).trials == 1


def test_a_recipe_without_validation_images_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("validation: 50", "validation: 0"))
    with pytest.raises(HyperparameterError, match=r"recipe.yaml:\n  validation = 0: a sweep compares trials by"):
        Sweep.load(file)


@pytest.mark.parametrize("axis", [[20, 200], {"low": 20, "high": 200}])
def test_batches_larger_than_the_training_set_are_refused(tmp_path: Path, axis: object) -> None:
    sweep = load(tmp_path, method="random", trials=3, space={"batch_size": axis})
    sweep.check_fits(250)
    with pytest.raises(HyperparameterError, match="batch_size = 200: should be at most 199"):
        sweep.check_fits(249)
