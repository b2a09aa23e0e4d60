"""The results of a sweep: a line for every trial, the best trial as an overlay, a picture, and commands for DVC."""

import json
from pathlib import Path
from typing import Any

import yaml
from optuna.distributions import FloatDistribution, IntDistribution

from mnist.files import encode_csv
from mnist.recipe import Recipe
from report.charts import draw_chart
from studies.experiment import differences, exp_command, nest
from studies.sweep.space import Space
from studies.sweep.study import Trial


def encode_results(trials: list[Trial], best: Trial, space: Space, default: Recipe) -> dict[str, bytes]:
    """Return trials.csv, best.yaml and trials.svg."""
    lines = [
        [
            trial.number,
            *trial.point.values(),
            *trial[2:],
            exp_command(space.recipe_of(trial.point), default),
        ]
        for trial in trials
    ]
    overlay = nest(differences(space.recipe_of(best.point), default))
    remark = f"# The best of {len(trials)} trials. {best}\n# Where it differs from params.yaml:\n"
    return {
        "trials.csv": encode_csv(["trial", *space.axes, *Trial._fields[2:], "command"], lines),
        "best.yaml": (remark + yaml.safe_dump(overlay, sort_keys=False)).encode(),
        "trials.svg": draw_chart(_chart(trials, best, space)),
    }


def _chart(trials: list[Trial], best: Trial, space: Space) -> dict[str, Any]:
    """Return a Vega-Lite chart: the errors on the validation images over each hyperparameter, the best trial in red."""
    points = [
        {name: str(value) if isinstance(value, list) else value for name, value in trial.point.items()}
        | {"errors": max(0.01, 100 - 100 * trial.validation_accuracy), "epochs": trial.epochs, "best": trial is best}
        for trial in sorted(trials, key=lambda trial: trial is best)
        if trial.epochs
    ]
    panel, panels = json.loads(Path(__file__).with_name("trials.vl.json").read_text(encoding="utf-8")), []
    for name, axis in space.axes.items():
        x: dict[str, Any] = {"field": name.replace(".", "\\."), "title": name, "type": "ordinal"}
        if isinstance(axis, FloatDistribution | IntDistribution):
            x |= {"type": "quantitative", "scale": {"type": "log" if axis.log else "linear", "zero": False}}
        panels.append(panel | {"encoding": panel["encoding"] | {"x": x}})
    return {"background": "white", "data": {"values": points}, "hconcat": panels}
