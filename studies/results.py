"""The figures of a study: a CSV file with a line for each run, the recipes of the runs, and summaries."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_type_hints

from mnist.files import encode_csv, encode_json, load_csv, save
from mnist.fingerprint import describe_arithmetic
from mnist.recipe import Recipe

RESULTS = Path("studies/results")

Row = TypeVar("Row", bound=NamedTuple)


class Run(NamedTuple):
    """The figures of one recipe with one seed: accuracies are fractions, and `seconds` is the time of training.

    The training loss is the mean over all epochs. A figure that was not measured is NaN.
    """

    recipe: str
    seed: int
    test_accuracy: float
    test_loss: float
    validation_accuracy: float
    validation_loss: float
    mean_train_loss: float
    seconds: float


class Summary(NamedTuple):
    """A recipe's accuracy over its seeds, in per cent, and the mean seconds of its training."""

    recipe: str
    seeds: int
    mean: float
    deviation: float
    minimum: float
    maximum: float
    seconds: float


def summarize(runs: list[Run]) -> list[Summary]:
    """Return a summary of each recipe, in the order of the runs; the accuracy is the one that `markdown` names."""
    accuracy, groups = f"{_measured_images(runs)}_accuracy", dict[str, list[Run]]()
    for run in runs:
        groups.setdefault(run.recipe, []).append(run)
    summaries = []
    for recipe, group in groups.items():
        values = [100 * getattr(run, accuracy) for run in group]
        deviation = statistics.stdev(values) if len(values) > 1 else math.nan
        seconds = statistics.mean(run.seconds for run in group)
        summaries.append(
            Summary(recipe, len(group), statistics.mean(values), deviation, min(values), max(values), seconds)
        )
    return summaries


def markdown(runs: list[Run]) -> str:
    """Return the summaries of runs as a table; the accuracy is that on validation images if no test image was read."""
    return markdown_table(
        f"recipe | seeds | {_measured_images(runs)} accuracy, % | minimum to maximum | training, s",
        (
            f"{summary.recipe.replace('_', ' ')} | {summary.seeds} | {summary.mean:.2f} ± {summary.deviation:.2f} "
            f"| {summary.minimum:.2f} to {summary.maximum:.2f} | {summary.seconds:.0f}"
            for summary in summarize(runs)
        ),
    )


def _measured_images(runs: list[Run]) -> str:
    return "validation" if math.isnan(runs[0].test_accuracy) else "test"


def markdown_table(header: str, rows: Iterable[str]) -> str:
    """Return a table; `header` and each of `rows` are cells with | between them."""
    return "\n".join((f"| {header} |", "|---" * (header.count("|") + 1) + "|", *(f"| {row} |" for row in rows)))


def save_rows(file: Path, rows: Sequence[NamedTuple], **evidence: Any) -> None:
    """Write rows as a CSV file, and how they were measured as a JSON file beside it."""
    save({file: encode_csv(rows[0]._fields, rows), file.with_suffix(".json"): encode_json(evidence)})


def load_rows(file: Path, kind: type[Row]) -> list[Row]:
    """Return the rows of a CSV file that `save_rows` wrote."""
    types = get_type_hints(kind)
    return [kind._make(types[name](row[name]) for name in row) for row in load_csv(file, kind._fields)]


def save_results(name: str, runs: list[Run], recipes: Mapping[str, Recipe]) -> None:
    """Write studies/results/NAME.csv with a line for each run, and NAME.json with the recipes and the arithmetic."""
    values = {name: recipe.model_dump(exclude={"seed"}) for name, recipe in recipes.items()}
    save_rows(RESULTS / f"{name}.csv", runs, arithmetic=describe_arithmetic(), recipes=values)
