"""Bring the runs of all rungs together: a table (CSV, and Markdown on the screen) and a picture of it."""

import statistics
from typing import Any, NamedTuple

from mnist.files import save_csv
from recipes.rungs import LADDER, load_rungs
from recipes.seeds import Run, load_runs
from stages.charts import save_chart
from stages.command import told_in_words

TABLE = LADDER / "ladder.csv"
PICTURE = LADDER / "ladder.svg"


class Rung(NamedTuple):
    """A rung's figures over its seeds: accuracies are of the test images, in per cent, seconds those of training."""

    rung: str
    seeds: int
    mean: float
    deviation: float
    minimum: float
    maximum: float
    seconds: float

    @classmethod
    def of(cls, name: str, runs: list[Run]) -> "Rung":
        """Return the figures of a rung's runs, two or more."""
        accuracies = [100 * run.test_accuracy for run in runs]
        return cls(
            rung=name,
            seeds=len(runs),
            mean=round(statistics.mean(accuracies), 3),
            deviation=round(statistics.stdev(accuracies), 3),
            minimum=round(min(accuracies), 3),
            maximum=round(max(accuracies), 3),
            seconds=round(statistics.mean(run.seconds for run in runs), 1),
        )


def markdown(rungs: list[Rung]) -> str:
    """Return the table of the README."""
    lines = ["| rung | test accuracy, % | minimum to maximum | training, s |", "|---|---|---|---|"]
    lines += [
        f"| {rung.rung.replace('_', ' ')} | {rung.mean:.2f} ± {rung.deviation:.2f} "
        f"| {rung.minimum:.2f} to {rung.maximum:.2f} | {rung.seconds:.0f} |"
        for rung in rungs
    ]
    return "\n".join(lines)


def chart(rungs: list[Rung]) -> dict[str, Any]:
    """Return a Vega-Lite chart: the part of the test images read wrongly, on a logarithmic scale, rung by rung."""
    rows = [
        {
            "rung": rung.rung.replace("_", " "),
            "wrong": 100 - rung.mean,
            "best": 100 - rung.maximum,
            "worst": 100 - rung.minimum,
            "label": f"{100 - rung.mean:.2f} %",
        }
        for rung in rungs
    ]
    down = {"field": "rung", "type": "nominal", "sort": None, "title": None, "axis": {"labelFontSize": 13}}
    across = {
        "type": "quantitative",
        "scale": {"type": "log", "nice": False, "padding": 20},
        "title": "test images read wrongly, % (logarithmic)",
    }
    text = {"type": "text", "align": "center", "dy": -10, "fontSize": 12}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "width": 560,
        "height": {"step": 32},
        "data": {"values": rows},
        "encoding": {"y": down},
        "layer": [
            {"mark": {"type": "rule", "color": "#9aa5b1", "strokeWidth": 4},
             "encoding": {"x": across | {"field": "best"}, "x2": {"field": "worst"}}},
            {"mark": {"type": "point", "filled": True, "size": 90, "color": "#1f5fa8"},
             "encoding": {"x": across | {"field": "wrong"}}},
            {"mark": text, "encoding": {"x": across | {"field": "wrong"}, "text": {"field": "label"}}},
        ],
    }  # fmt: skip


def main() -> None:
    """Write table and picture."""
    with told_in_words():
        rungs = [Rung.of(name, load_runs(LADDER / name / "runs.csv")) for name in load_rungs()]
        print(markdown(rungs))
        save_csv(TABLE, Rung._fields, rungs)
        save_chart(PICTURE, chart(rungs))


if __name__ == "__main__":
    main()
