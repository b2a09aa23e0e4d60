"""What a sweep leaves behind: a row for every trial, the best one as a recipe, and the command to run that with DVC."""

import json
import shlex
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from mnist.files import save_bytes, save_csv
from mnist.hyperparameters import Hyperparameters
from sweeps.space import Sweep
from sweeps.study import Row


def save_trials(path: Path, sweep: Sweep, rows: list[Row]) -> None:
    """Write trials.csv: `deviation` is that of the accuracies of a trial's seeds, where it has several."""
    header = [
        "trial", *sweep.axes, "seeds", "state", "reason", "epochs",
        "validation_loss", "validation_accuracy", "deviation", "seconds",
    ]  # fmt: skip
    seeds = " ".join(map(str, sweep.settings.seeds))
    save_csv(path, header, [_cells(row, list(sweep.axes), seeds) for row in rows])


def _cells(row: Row, names: list[str], seeds: str) -> list[object]:
    deviation = statistics.stdev(row.accuracies) if len(row.accuracies) > 1 else None
    figures = [row.loss, row.accuracy, deviation] if row.epochs else [None, None, None]
    return [
        row.number,
        *(row.values.get(name) for name in names),
        seeds,
        row.state,
        row.reason,
        row.epochs,
        *("" if figure is None else f"{figure:.6g}" for figure in figures),
        f"{row.seconds:.1f}",
    ]


def save_best(path: Path, sweep: Sweep, best: Row) -> Hyperparameters:
    """Write the recipe of a trial, complete, with what it gave in a remark, and return it."""
    recipe = sweep.recipes(best.values)[0]
    seeds = ", ".join(map(str, sweep.settings.seeds))
    remark = (
        f"# The best of {sweep.trials} trials, number {best.number}: validation accuracy {best.accuracy:.2%}, loss "
        f"{best.loss:.4f}\n# after {best.epochs} epochs, seed {seeds}. For a full training, raise epochs.\n\n"
    )
    save_bytes(path, (remark + yaml.safe_dump(recipe.model_dump(), sort_keys=False)).encode())
    return recipe


def summary(rows: list[Row], best: Row) -> str:
    """Return in words what came of a sweep."""
    counts = ", ".join(f"{count} {state}" for state, count in Counter(row.state for row in rows).items())
    values = ", ".join(f"{name} {value}" for name, value in best.values.items())
    return (
        f"{counts}; {sum(row.epochs for row in rows)} epochs\n"
        f"best: trial {best.number}, validation accuracy {best.accuracy:.2%}, loss {best.loss:.4f} ({values})\n"
        "This makes a DVC experiment of it, as it was tried; leave epochs out for a full training:"
    )


def command(recipe: Hyperparameters, default: Hyperparameters) -> str:
    """Return what makes a DVC experiment of a recipe: the values in which it differs from params.yaml."""
    wanted, given = recipe.model_dump(), default.model_dump()
    changes = [f"{name}={_text(value)}" for name, value in wanted.items() if value != given[name]]
    return shlex.join(["dvc", "exp", "run", *(word for change in changes for word in ("-S", change))])


def _text(value: Any) -> str:
    """Return a value as the command line of DVC reads it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
