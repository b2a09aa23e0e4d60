"""What a sweep leaves: a line for every trial, the best one as an overlay, a picture, and commands for DVC."""

import shlex
from operator import attrgetter
from typing import Any

import yaml
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial

from mnist.checked import Keys
from mnist.files import encode_csv
from mnist.recipe import Recipe
from report.charts import draw_chart
from studies.grid import exp_words
from studies.sweep.space import Space, nest
from studies.sweep.study import state_of

_FIGURES = {"validation_loss": "loss", "validation_accuracy": "accuracy"}


def best_of(trials: list[FrozenTrial], space: Space) -> FrozenTrial | None:
    """Return the best complete trial, the first of several; None where there is none."""
    sign = -1 if space.settings.objective == "validation_loss" else 1
    complete = [trial for trial in trials if state_of(trial) == "complete"]
    return max(complete, key=lambda trial: sign * trial.values[0], default=None)


def describe(trial: FrozenTrial, space: Space) -> str:
    """Return in words what a trial has tried and reached."""
    values = ", ".join(f"{name} {value}" for name, value in space.values(trial.params).items())
    reached = trial.user_attrs.get("reason") or "{accuracy:.2%}, loss {loss:.4f}".format(**trial.user_attrs)
    return f"trial {trial.number} ({values}): {reached}"


def differences(recipe: Recipe, default: Recipe) -> dict[str, Any]:
    """Return the values in which a recipe differs from params.yaml, by `group.key`."""
    pairs = {name: (attrgetter(name)(recipe), attrgetter(name)(default)) for name in Recipe.fields()}
    return {name: new for name, (new, old) in pairs.items() if new != old and not isinstance(new, Keys)}


def exp_command(recipe: Recipe, default: Recipe) -> str:
    """Return what makes a DVC experiment of a recipe."""
    return shlex.join(["dvc", "exp", "run", *exp_words(differences(recipe, default))])


def encode_results(trials: list[FrozenTrial], best: FrozenTrial, space: Space, default: Recipe) -> dict[str, bytes]:
    """Return trials.csv, best.yaml and trials.svg."""
    header = ["trial", *space.axes, "state", "reason", "epochs", *_FIGURES, "seconds", "command"]
    lines = [
        [
            trial.number, *space.values(trial.params).values(), state_of(trial),
            *(trial.user_attrs.get(name, "") for name in ("reason", "epochs", *_FIGURES.values())),
            f"{trial.user_attrs.get('seconds', 0):.1f}", exp_command(space.recipe_of(trial.params), default),
        ]
        for trial in trials
    ]  # fmt: skip
    overlay = nest(differences(space.recipe_of(best.params), default))
    remark = f"# The best of {len(trials)} trials. {describe(best, space)}\n# Where it differs from params.yaml:\n"
    return {
        "trials.csv": encode_csv(header, lines),
        "best.yaml": (remark + yaml.safe_dump(overlay, sort_keys=False)).encode(),
        "trials.svg": draw_chart(_chart(trials, best, space)),
    }


def _chart(trials: list[FrozenTrial], best: FrozenTrial, space: Space) -> dict[str, Any]:
    """Return a Vega-Lite chart: the errors on the validation images over each hyperparameter, the best trial in red."""
    points = [
        {name: str(value) if isinstance(value, list) else value for name, value in space.values(trial.params).items()}
        | {"errors": max(0.01, 100 - 100 * accuracy), "epochs": trial.user_attrs["epochs"], "best": trial is best}
        for trial in sorted(trials, key=lambda trial: trial is best)
        if (accuracy := trial.user_attrs.get("accuracy")) is not None
    ]
    scale = {"type": "log", "nice": False, "padding": 8}
    y = {"field": "errors", "title": "errors on the validation images, % (logarithmic)", "scale": scale}
    color = {"field": "epochs", "type": "ordinal", "scale": {"scheme": "blues"}, "title": "epochs trained"}
    color |= {"condition": {"test": "datum.best", "value": "#c8321e"}}
    panels = []
    for name, axis in space.axes.items():
        x: dict[str, Any] = {"field": name.replace(".", "\\."), "title": name, "type": "ordinal"}
        if not isinstance(axis, CategoricalDistribution):
            x |= {"type": "quantitative", "scale": {"type": "log" if axis.log else "linear", "zero": False}}
        encoding = {"x": x, "y": y | {"type": "quantitative"}, "color": color, "size": {"value": 70}}
        panels.append({"width": 200, "height": 240, "mark": "circle", "encoding": encoding})
    return {"background": "white", "data": {"values": points}, "hconcat": panels}
