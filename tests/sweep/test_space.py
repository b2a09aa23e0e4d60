"""The file of a space: its meaning, and all faults that are rejected before the first trial."""

from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mnist.checked import RecipeError
from studies.sweep.run import SPACE
from studies.sweep.space import Space
from tests.helpers import ROOT, random_digits
from tests.sweep.faults import DIGITS, write_space


def load(folder: Path, **changes: Any) -> Space:
    return Space.load(write_space(folder, **changes), DIGITS)


def test_the_space_of_the_project_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    space = Space.load(SPACE, random_digits(6000))
    assert (len(space.points), space.rungs) == (48, [1, 3, 8])


def test_a_grid_is_every_combination_once_and_starts_alike_with_fewer_trials(tmp_path: Path) -> None:
    axes = {"eta": [0.1, "1e-2"], "network.hidden": [[8], [8, 8]], "network.activation": ["relu", "tanh", "sigmoid"]}
    space = load(tmp_path, space=axes)
    recipes = [space.recipe_of(point) for point in space.points]
    assert len({(r.eta, len(r.network.hidden), r.network.activation) for r in recipes}) == len(space.points) == 12
    assert {recipe.eta for recipe in recipes} == {0.1, 0.01}
    assert load(tmp_path, trials=5, space=axes).points == space.points[:5]


def test_ranges_are_integers_for_an_integer_hyperparameter(tmp_path: Path) -> None:
    axes = {
        "eta": {"low": "1e-3", "high": 1, "log": True},
        "batch_size": {"low": 5, "high": 50},
        "network.bias": [True, False],
    }
    space = load(tmp_path, method="tpe", trials=5, space=axes)
    assert space.axes == {
        "eta": FloatDistribution(0.001, 1, log=True),
        "batch_size": IntDistribution(5, 50),
        "network.bias": CategoricalDistribution([True, False]),
    }
    recipe = space.recipe_of({"eta": 0.5, "batch_size": 7, "network.bias": True})
    assert (recipe.eta, recipe.batch_size, recipe.network.bias, recipe.epochs) == (0.5, 7, True, 4)


@pytest.mark.parametrize(
    ("epochs", "first_rung", "halving", "rungs"),
    [(8, 1, 3, [1, 3, 8]), (9, 1, 3, [1, 3, 9]), (8, 2, 2, [2, 4, 8]), (8, 1, 1, [8]), (1, 1, 4, [1]), (2, 5, 2, [2])],
)
def test_rungs(tmp_path: Path, epochs: int, first_rung: int, halving: int, rungs: list[int]) -> None:
    assert load(tmp_path, epochs=epochs, first_rung=first_rung, halving=halving).rungs == rungs


MANY = [round(0.01 * number, 2) for number in range(1, 100)]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"space": {"network.hiden": [[1]]}}, r"network.hiden: there is no such key; did you mean network.hidden\?"),
        ({"space": {"eta": [0.1, -1]}}, r"small.yaml, space:\n  eta = -1: should be greater than 0 \(eta: learning"),
        ({"space": {"network.activation": ["relu", "warp"]}}, "network.activation = 'warp': should be"),
        ({"space": {"network": [{"hidden": [3]}]}}, "network = .*: cannot be tried: .* for a group, name a key"),
        ({"space": {"data.normalize": ["unit"]}}, "all trials share seed, epochs, data;"),
        ({"space": {"eta.low": [1]}}, "eta = {'low': 1}: should be a"),
        ({"space": {"eta": []}}, "should be a list of different values"),
        ({"space": {"eta": [0.1, "1e-1"]}}, "should be a list of different values"),
        ({"space": {}}, "space = {}: .*at least 1"),
        ({"space": {"eta": 0.1}}, "eta = 0.1: should be a list of different values, or {low: ..., high: ...}"),
        ({"space": {"eta": {"low": 1}}}, "should be a list of different values, or {low"),
        ({"space": {"seed": [1, 2]}}, r"seed = \[1, 2\]: cannot be tried"),
        ({"space": {"data.validation": [10, 20]}}, "data.validation = .*: cannot be tried"),
        ({"space": {"eta": {"low": 0.1, "high": 1}}}, "eta: a grid needs lists"),
        ({"space": {"eta": MANY, "alpha": [*MANY], "deformation.shear": MANY[:]}}, "970,299 points, more than 10,000"),
        ({"space": {"batch_size": [20, 151]}}, "batch_size = 151: should be at most 150"),
        ({"method": "tpe", "space": {"batch_size": {"low": 1, "high": 151}}}, "batch_size = 151: should be at most"),
        ({"trials": 10**6}, "trials = 1000000: should be less than or equal to 10000"),
        ({"method": "random", "space": {"eta": {"low": 1, "high": 0.1}}}, "numbers in this order"),
        (
            {"method": "random", "space": {"alpha": {"low": 0, "high": 0.9, "log": True}}},
            "with log: true if low is above 0",
        ),
        (
            {"method": "random", "space": {"eta": {"low": 0.1, "high": 1, "log": 3}}},
            "should be a list of different values, or {low",
        ),
        (
            {"method": "random", "space": {"network.bias": {"low": False, "high": True}}},
            "should be a list of different values, or {low",
        ),
        ({"method": "anneal"}, "method = 'anneal': should be 'grid', 'random' or 'tpe'"),
        ({"halving": 0}, "halving = 0: should be greater than or equal to 1"),
        ({"time_limit": 0}, "time_limit = 0: should be greater than 0"),
        ({"wibble": 1}, "wibble: there is no such key"),
        ({"recipe": "nowhere.yaml"}, "nowhere.yaml: cannot be read"),
    ],
)
def test_bad_spaces_are_rejected(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(RecipeError, match=fault):
        load(tmp_path, **changes)


def test_a_recipe_without_validation_images_is_rejected(tmp_path: Path) -> None:
    file = write_space(tmp_path)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("validation: 50", "validation: 0"))
    with pytest.raises(RecipeError, match=r"recipe.yaml:\n  data.validation = 0: trials are compared by"):
        Space.load(file, DIGITS)
