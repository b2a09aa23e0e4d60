"""Measure the gain of each idea, from the notebook's procedure to the default recipe, with five seeds for each rung.

Writes studies/results/ladder.csv and ladder.svg, and prints the table.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from mnist.errors import plain_errors
from mnist.files import save
from mnist.recipe import Recipe
from report.charts import draw_chart
from studies import notebook
from studies.results import RESULTS, Summary, markdown, save_results, summarize
from studies.runs import add_jobs, load_changes, run_all

STEPS = Path("studies/recipes/ladder.yaml")
SEEDS = range(1, 6)


def load_rungs() -> dict[str, Recipe]:
    """Return all rungs by name, the notebook first; raises RecipeError if a step is not allowed."""
    recipe = Recipe.load_overlay(notebook.RECIPE)
    rungs = {notebook.RECIPE.stem: recipe}
    for name, changes in load_changes(STEPS).items():
        recipe = recipe.changed(f"{STEPS}, {name}", changes)
        rungs[name] = recipe
    return rungs


def chart(summaries: list[Summary]) -> dict[str, Any]:
    """Return a Vega-Lite chart: the errors on the test images, on a logarithmic scale, rung by rung."""
    rows = [
        {
            "rung": summary.recipe.replace("_", " "),
            "errors": 100 - summary.mean,
            "fewest": 100 - summary.maximum,
            "most": 100 - summary.minimum,
            "label": f"{100 - summary.mean:.2f}%",
        }
        for summary in summaries
    ]
    specification: dict[str, Any] = json.loads(Path(__file__).with_suffix(".vl.json").read_text(encoding="utf-8"))
    return specification | {"data": {"values": rows}}


def main() -> None:
    """Run all rungs, write their figures and the chart, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_jobs(parser)
    arguments = parser.parse_args()
    with plain_errors():
        rungs = load_rungs()
        runs = run_all(rungs, SEEDS, arguments.jobs)
        save_results("ladder", runs, rungs)
        save({RESULTS / "ladder.svg": draw_chart(chart(summarize(runs)))})
        print(markdown(runs))


if __name__ == "__main__":
    main()
