"""From the files of the measurements, write the tables in README and docs, and draw the pictures of speed.

A table stands between `<!-- table FILE -->` and `<!-- end -->`, where FILE is the path of a CSV file or of params.yaml.
"""

import argparse
import csv
import json
import math
import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.accuracy import Passed
from benchmarks.busy import Company
from benchmarks.machine import RESULTS
from benchmarks.paper import Read
from benchmarks.race import Row
from benchmarks.unknown import Flagged
from mnist.checked import flatten, read_yaml
from mnist.errors import plain_errors
from mnist.files import save
from mnist.recipe import PARAMS, Recipe
from report.charts import draw_chart
from studies.hands import Reading
from studies.results import Run, load_rows, markdown, markdown_table, summarize

RECIPES = (".", "studies/recipes", "benchmarks")
PAGES = ("README.md", "docs/*.md", "benchmarks/README.md")
TABLE = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill_tables(page: str) -> str:
    """Replace each table in the text of a page by the measured one."""
    return TABLE.sub(lambda found: f"{found[1]}\n{make_table(Path(found[2]))}\n\n{found[3]}", page)


def make_table(file: Path) -> str:
    """Return the table of params.yaml, of a folder of studies, or of a CSV file.

    The table of a CSV file stands below a line that names the machine, if a JSON file beside it does.
    """
    if file == PARAMS:
        return parameter_table()
    if file.is_dir():
        return recipes_table(file)
    kind = next((kind for kind in MAKERS if kind._fields == _header(file)), None)
    table = MAKERS[kind](load_rows(file, kind)) if kind else plain_table(file)
    if not file.with_suffix(".json").exists():
        return table
    evidence = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    return f"{evidence.get('machine') or evidence['arithmetic']}:\n\n{table}"


def plain_table(file: Path) -> str:
    """Return the lines of a CSV file as a table, without changes."""
    header, *rows = csv.reader(file.read_text(encoding="utf-8").splitlines())
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))


def recipes_table(folder: Path) -> str:
    """Return the table of all studies of a single recipe on the test images, the most accurate recipe first."""
    studies = [summarize(load_rows(file, Run)) for file in folder.glob("*.csv") if _header(file) == Run._fields]
    summaries, rows = [study[0] for study in studies if len(study) == 1], []
    for summary in sorted(summaries, key=lambda summary: -summary.mean):
        name = "default" if summary.recipe == PARAMS.stem else summary.recipe
        path = next(filter(Path.exists, (Path(place, f"{summary.recipe}.yaml") for place in RECIPES)))
        accuracy = f"{summary.mean:.2f}% ± {summary.deviation:.2f}"
        command = f"`python -m studies.seeds {path} --seeds {summary.seeds}`"
        rows.append(f"[{name}]({path}) | {accuracy} | {summary.seeds} | {summary.seconds:.0f} s | {command}")
    return markdown_table("recipe | test accuracy, mean ± deviation | seeds | training time | command", rows)


def _header(file: Path) -> tuple[str, ...]:
    return tuple(file.read_text(encoding="utf-8").partition("\n")[0].split(","))


def parameter_table() -> str:
    """Return the table of all hyperparameters, from the recipe's schema and the values in params.yaml."""
    schema = Recipe.model_json_schema()
    groups = {
        key: schema["$defs"][part["$ref"].rpartition("/")[2]]["properties"]
        for key, part in schema["properties"].items()
        if "$ref" in part
    }
    rows = []
    for key, value in flatten(read_yaml(PARAMS)).items():
        group, _, name = key.rpartition(".")
        part = groups.get(group, schema["properties"])[name]
        default = value if isinstance(value, str) else json.dumps(value)
        rows.append(f"`{key}` | {default} | {_describe_range(part)} | {part['description']}")
    return markdown_table("key | default | allowed | meaning", rows)


def _describe_range(schema: dict[str, Any]) -> str:
    """Describe the values that a JSON schema allows."""
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if schema["type"] == "boolean":
        return "true, false"
    if schema["type"] == "array":
        return f"a list of at most {schema['maxItems']} numbers: {_describe_range(schema['items'])}"
    lowest = f"above {schema['exclusiveMinimum']:,g}" if "exclusiveMinimum" in schema else f"{schema['minimum']:,g}"
    if "exclusiveMaximum" in schema:
        return f"{lowest} to below {schema['exclusiveMaximum']:,}"
    if "maximum" in schema:
        return f"{lowest} to {schema['maximum']:,}"
    return lowest if "exclusiveMinimum" in schema else f"{lowest} or more"


def hands_table(readings: list[Reading]) -> str:
    """Return the table of drawn digits: how many of each style the network reads correctly."""
    return markdown_table(
        "style | drawings | read right | most frequent mistake",
        (
            f"{style} | {drawings} | {right / drawings:.1%} | {f'{mistake}: {times}' if mistake else ''}"
            for style, drawings, right, mistake, times in readings
        ),
    )


def accuracy_table(rows: list[Passed]) -> str:
    """Return the table of the times to accuracy: median, lowest, highest."""
    return markdown_table(
        "recipe | test accuracy | who | to build and compile, s | training, s",
        (
            f"{recipe} | {mark:.2%} | {who} | {statistics.median(starts):.2f} | "
            f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"
            for recipe, mark, who, starts, times in _by_mark(rows)
        ),
    )


def _by_mark(rows: list[Passed]) -> Iterator[tuple[str, float, str, list[float], list[float]]]:
    """Yield recipe, mark, who, and all start times and training times, from the lowest mark to the highest.

    A seed that never passes a mark counts as longer than all others.
    """
    groups = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.mark):
        groups[row.recipe, row.mark, row.who].append(row)
    for key, passed in groups.items():
        yield *key, [row.start for row in passed], [row.seconds for row in passed]


def _formatter(header: str, row: str) -> Callable[[list[Any]], str]:
    """Return a function that makes a table of rows; `row` formats each, without a NaN at the end: no figure."""
    return lambda rows: markdown_table(header, (row.format(*values).removesuffix("nan") for values in rows))


# The function that makes the table of each kind of rows.
MAKERS: dict[Any, Callable[[list[Any]], str]] = {
    Run: markdown,
    Reading: hands_table,
    Passed: accuracy_table,
    Row: _formatter(
        "who | an epoch, s | a step, µs | ratio to this project | loss of the first epoch",
        "{} | {:.3f} | {:.0f} | {:.2f} ({:.2f} to {:.2f}) | {:.3f}",
    ),
    Company: _formatter(
        "processes | programs beside them | an epoch, s | ratio to one process", "{} | {} | {:.3f} | {:.2f}"
    ),
    Read: _formatter("kind | paper | digits | accuracy", "{} | {} | {:,} | {:.2%}"),
    Flagged: _formatter("kind | images | flagged", "{} | {:,} | {:.1%}"),
}


def speed_chart() -> dict[str, Any]:
    """Return a Vega-Lite chart: the time of an epoch on one core and on more, for each batch size."""
    rows = []
    for file in sorted(RESULTS.glob("race-*.csv")):
        batch, cores, kernels = re.fullmatch(r"race-batch(\d+)-cores(\d+)-(\w+)", file.stem).groups()  # type: ignore[union-attr]
        setting = f"batches of {batch}, {cores} core{'s' * (cores != '1')}, {kernels} kernels"
        rows += [
            {"who": row.name, "seconds": row.seconds, "setting": setting}
            for row in load_rows(file, Row)
            if not math.isnan(row.first_loss) and row.name != "the notebook's loop"
        ]
    return _bars(rows, "setting", "seconds for an epoch of 60,000 images")


def accuracy_chart() -> dict[str, Any]:
    """Return a Vega-Lite chart: the median time to each accuracy."""
    rows = [
        {"who": who, "seconds": seconds, "mark": f"{mark:.2%}"}
        for _, mark, who, _, times in _by_mark(load_rows(RESULTS / "accuracy.csv", Passed))
        if math.isfinite(seconds := statistics.median(times))
    ]
    return _bars(rows, "mark", "seconds of training, median of ten seeds (logarithmic)", log=True)


def _bars(rows: list[dict[str, Any]], group: str, title: str, *, log: bool = False) -> dict[str, Any]:
    y = {"field": "who", "type": "nominal", "title": None, "sort": None}
    x = {"field": "seconds", "type": "quantitative", "title": title, "scale": {"type": "log" if log else "linear"}}
    color = {"condition": {"test": "datum.who == 'this project'", "value": "#c8321e"}, "value": "#8fa3b5"}
    text = {"field": "seconds", "type": "quantitative", "format": ".2f"}
    layers = [
        {"mark": {"type": "point", "filled": True, "size": 90}, "encoding": {"color": color}},
        {"mark": {"type": "text", "align": "left", "dx": 9}, "encoding": {"text": text}},
    ]
    facet = {"field": group, "type": "nominal", "title": None, "sort": None, "header": {"labelFontWeight": "bold"}}
    inner = {"width": 330, "height": {"step": 20}, "layer": layers, "encoding": {"x": x, "y": y}}
    return {"background": "white", "data": {"values": rows}, "facet": facet, "columns": 2, "spec": inner}


def main() -> None:
    """Write the tables and the pictures."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with plain_errors():
        pages = [page for pattern in PAGES for page in sorted(Path().glob(pattern))]
        save(
            {page: fill_tables(page.read_text(encoding="utf-8")).encode() for page in pages}
            | {RESULTS / "speed.svg": draw_chart(speed_chart())}
            | {RESULTS / "accuracy.svg": draw_chart(accuracy_chart())}
        )


if __name__ == "__main__":
    main()
