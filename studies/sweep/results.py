"""What a sweep leaves: a line for every trial, the best one as an overlay, a picture, and commands for DVC."""

import json
import math
import shlex
from collections import Counter
from typing import Any

import yaml
from optuna.distributions import CategoricalDistribution

from mnist.files import encode_csv
from mnist.recipe import Recipe
from report.charts import draw_chart
from studies.sweep.space import Space
from studies.sweep.study import Row


def best_of(rows: list[Row], space: Space) -> Row | None:
    """Return the best complete trial, the first of several; None where there is none."""
    complete = [row for row in rows if row.state == "complete"]
    if space.settings.objective == "validation_loss":
        return min(complete, key=lambda row: row.loss, default=None)
    return max(complete, key=lambda row: row.accuracy, default=None)


def exp_command(recipe: Recipe, default: Recipe) -> str:
    """Return what makes a DVC experiment of a recipe: the values in which it differs from params.yaml."""
    changes = _flatten(_differences(recipe.model_dump(), default.model_dump()))
    return shlex.join(["dvc", "exp", "run", *(word for change in changes for word in ("-S", change))])


def encode_results(rows: list[Row], best: Row, space: Space, default: Recipe) -> dict[str, bytes]:
    """Return trials.csv, best.yaml and trials.svg."""
    header = [
        "trial", *space.distributions, "state", "reason", "epochs", "validation_loss", "validation_accuracy", "seconds",
        "command",
    ]  # fmt: skip
    lines = []
    for row in rows:
        figures = [row.loss, row.accuracy] if row.epochs else ["", ""]
        command = exp_command(space.recipe_of(row.point), default)
        values = space.values(row.point).values()
        lines.append([row.number, *values, row.state, row.reason, row.epochs, *figures, f"{row.seconds:.1f}", command])
    overlay = _differences(space.recipe_of(best.point).model_dump(), default.model_dump())
    remark = (
        f"# The best of {len(rows)} trials, number {best.number}: validation accuracy {best.accuracy:.2%}, loss "
        f"{best.loss:.4f}\n# after {best.epochs} epochs. Where it differs from params.yaml:\n\n"
    )
    return {
        "trials.csv": encode_csv(header, lines),
        "best.yaml": (remark + yaml.safe_dump(overlay, sort_keys=False)).encode(),
        "trials.svg": draw_chart(_chart(rows, best, space)),
    }


def summarize(rows: list[Row], best: Row, space: Space) -> str:
    """Return in two lines what a sweep has found."""
    counts = ", ".join(f"{count} {state}" for state, count in Counter(row.state for row in rows).items())
    values = ", ".join(f"{name} {value}" for name, value in space.values(best.point).items())
    epochs, full = sum(row.epochs for row in rows), len(rows) * space.settings.epochs
    return (
        f"{counts}; {epochs} epochs, where {full} would have been without pruning\n"
        f"best: trial {best.number}, validation accuracy {best.accuracy:.2%}, loss {best.loss:.4f} ({values})"
    )


def _differences(values: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    changed = {key: value for key, value in values.items() if value != default[key]}
    return {
        key: _differences(value, default[key]) if isinstance(value, dict) else value for key, value in changed.items()
    }


def _flatten(values: dict[str, Any], prefix: str = "") -> list[str]:
    """Return `group.key=value` words as DVC's command line reads them."""
    words = []
    for key, value in values.items():
        if isinstance(value, dict):
            words += _flatten(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            words.append(f"{prefix}{key}={text}")
    return words


def _chart(rows: list[Row], best: Row, space: Space) -> dict[str, Any]:
    """Return a Vega-Lite chart: the errors on the validation images over each hyperparameter, the best trial marked."""
    trials = [
        {name: str(value) if isinstance(value, list) else value for name, value in space.values(row.point).items()}
        | {"errors": 100 * (1 - row.accuracy), "epochs": row.epochs, "best": row is best}
        for row in sorted(rows, key=lambda row: (row is best, row.epochs))
        if row.epochs and not math.isclose(row.accuracy, 1)
    ]
    epochs = space.rungs
    panels = []
    for name, choices in space.distributions.items():
        listed = isinstance(choices, CategoricalDistribution)
        across: dict[str, Any] = {"field": name.replace(".", "\\."), "title": name}
        if listed:
            across |= {"type": "ordinal", "axis": {"labelAngle": 0}, "scale": {"paddingOuter": 0.3}}
        else:
            across |= {"type": "quantitative", "scale": {"type": "log" if choices.log else "linear", "zero": False}}
        panels.append(
            {
                "width": 190,
                "height": 260,
                "mark": {"type": "point", "filled": True, "strokeWidth": 1.5, "opacity": 0.9},
                "encoding": {
                    "x": across,
                    **({"xOffset": {"field": "jitter", "type": "quantitative"}} if listed else {}),
                    "y": {
                        "field": "errors",
                        "type": "quantitative",
                        "scale": {"type": "log", "nice": False, "padding": 8},
                        "title": None if panels else "errors on the validation images, % (logarithmic)",
                    },
                    "color": {
                        "field": "epochs",
                        "type": "ordinal",
                        "scale": {"domain": epochs, "range": _SHADES[-len(epochs) :]},
                        "title": "epochs trained",
                    },
                    "size": {"condition": {"test": "datum.best", "value": 220}, "value": 45},
                    "shape": {"condition": {"test": "datum.best", "value": "diamond"}, "value": "circle"},
                    "stroke": {"condition": {"test": "datum.best", "value": "#c8321e"}, "value": None},
                },
            }
        )
    for place, trial in enumerate(trials):
        # Equal values side by side, by the golden ratio, which spreads any number of them evenly.
        trial["jitter"] = place * 0.618034 % 1
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "title": {
            "text": f"{len(trials)} trials; the diamond is the best: {100 * best.accuracy:.2f}% right",
            "anchor": "start",
        },
        "data": {"values": trials},
        "hconcat": panels,
    }
