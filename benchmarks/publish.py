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
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.accuracy import Passed
from benchmarks.busy import Company
from benchmarks.nonsense import Flagged
from benchmarks.paper import Read
from benchmarks.race import RESULTS, Row
from mnist.checked import flatten, read_yaml
from mnist.errors import plain_errors
from mnist.files import load_csv, save
from mnist.recipe import PARAMS, Recipe
from report.charts import draw_chart
from studies.hands import Reading
from studies.results import Run, load_results, markdown, summarize

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
    makers: dict[tuple[str, ...], Callable[[Path], str]] = {
        Row._fields: race_table,
        Passed._fields: accuracy_table,
        Company._fields: busy_table,
        Read._fields: paper_table,
        Flagged._fields: nonsense_table,
        Run._fields: run_table,
        Reading._fields: hands_table,
    }
    table = makers.get(_header(file), plain_table)(file)
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
    studies = [load_results(file.stem) for file in folder.glob("*.csv") if _header(file) == Run._fields]
    summaries = [summary for runs in studies if len({run.recipe for run in runs}) == 1 for summary in summarize(runs)]
    lines = [
        "| recipe | test accuracy, mean ± deviation | seeds | training time | command |",
        "|---|---|---|---|---|",
    ]
    for summary in sorted(summaries, key=lambda summary: -summary.mean):
        name = "default" if summary.recipe == PARAMS.stem else summary.recipe
        path = next(filter(Path.exists, (Path(place, f"{summary.recipe}.yaml") for place in RECIPES)))
        accuracy = f"{summary.mean:.2f}% ± {summary.deviation:.2f}"
        command = f"`python -m studies.seeds {path} --seeds {summary.seeds}`"
        lines.append(f"| [{name}]({path}) | {accuracy} | {summary.seeds} | {summary.seconds:.0f} s | {command} |")
    return "\n".join(lines)


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
    values = flatten(read_yaml(PARAMS))
    lines = ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    for key, value in values.items():
        group, _, name = key.rpartition(".")
        part = groups.get(group, schema["properties"])[name]
        default = value if isinstance(value, str) else json.dumps(value)
        lines.append(f"| `{key}` | {default} | {_describe_range(part)} | {part['description']} |")
    return "\n".join(lines)


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


def run_table(file: Path) -> str:
    """Return the table of runs, with their accuracy on the test images if these were opened, else on the others."""
    runs = load_results(file.stem)
    if math.isnan(runs[0].test_accuracy):
        return markdown(summarize(runs, "validation_accuracy"), "validation accuracy")
    return markdown(summarize(runs))


def hands_table(file: Path) -> str:
    """Return the table of drawn digits: how many of each style the network reads correctly."""
    lines = ["| style | drawings | read right | most frequent mistake |", "|---|---|---|---|"]
    for row in load_csv(file, Reading._fields):
        share, mistake = int(row["right"]) / int(row["drawings"]), f"{row['mistake']}: {row['times']}"
        lines.append(f"| {row['style']} | {row['drawings']} | {share:.1%} | {mistake if row['mistake'] else ''} |")
    return "\n".join(lines)


def race_table(file: Path) -> str:
    """Return the table of a race."""
    lines = [
        "| who | an epoch, s | a step, µs | ratio to this project | loss of the first epoch |",
        "|---|---|---|---|---|",
    ]
    for row in load_csv(file, Row._fields):
        seconds, microseconds, ratio, lowest, highest, loss = map(float, list(row.values())[1:])
        cells = [row["name"], f"{seconds:.3f}", f"{microseconds:.0f}", f"{ratio:.2f} ({lowest:.2f} to {highest:.2f})"]
        lines.append(f"| {' | '.join([*cells, '' if math.isnan(loss) else f'{loss:.3f}'])} |")
    return "\n".join(lines)


def accuracy_table(file: Path) -> str:
    """Return the table of the times to accuracy: median, lowest, highest."""
    lines = ["| recipe | test accuracy | who | to build and compile, s | training, s |", "|---|---|---|---|---|"]
    for (recipe, mark, who), passed in _by_mark(file).items():
        # A seed that never passes a mark counts as longer than all others.
        starts, times = ([float(row[name]) for row in passed] for name in ("start", "seconds"))
        span = f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"
        lines.append(f"| {recipe} | {float(mark):.2%} | {who} | {statistics.median(starts):.2f} | {span} |")
    return "\n".join(lines)


def busy_table(file: Path) -> str:
    """Return the table of processes beside other programs."""
    return _table(
        "processes | programs beside them | an epoch, s | ratio to one process",
        (
            f"{row['processes']} | {row['programs']} | {float(row['seconds']):.3f} | {float(row['ratio']):.2f}"
            for row in load_csv(file, Company._fields)
        ),
    )


def paper_table(file: Path) -> str:
    """Return the table of the kinds of paper."""
    return _table(
        "kind | paper | digits | accuracy",
        (
            f"{row['number']} | {row['kind']} | {int(row['digits']):,} | {float(row['accuracy']):.2%}"
            for row in load_csv(file, Read._fields)
        ),
    )


def nonsense_table(file: Path) -> str:
    """Return the table of the images that look like no training image."""
    return _table(
        "kind | images | flagged",
        (
            f"{row['kind']} | {int(row['images']):,} | {float(row['flagged']):.1%}"
            for row in load_csv(file, Flagged._fields)
        ),
    )


def _table(header: str, rows: Iterable[str]) -> str:
    """Return a table; `header` and each of `rows` are cells with | between them."""
    return "\n".join((f"| {header} |", "|---" * (header.count("|") + 1) + "|", *(f"| {row} |" for row in rows)))


def _by_mark(file: Path) -> dict[tuple[str, str, str], list[dict[str, str]]]:
    groups = defaultdict(list)
    for row in load_csv(file, Passed._fields):
        groups[row["recipe"], row["mark"], row["who"]].append(row)
    return dict(sorted(groups.items(), key=lambda item: float(item[0][1])))


def speed_chart() -> dict[str, Any]:
    """Return a Vega-Lite chart: the time of an epoch on one core and on more, for each batch size."""
    rows = []
    for file in sorted(RESULTS.glob("race-*.csv")):
        batch, cores, kernels = re.fullmatch(r"race-batch(\d+)-cores(\d+)-(\w+)", file.stem).groups()  # type: ignore[union-attr]
        setting = f"batches of {batch}, {cores} core{'s' * (cores != '1')}, {kernels} kernels"
        rows += [
            {"who": row["name"], "seconds": float(row["seconds"]), "setting": setting}
            for row in load_csv(file, Row._fields)
            if row["first_loss"] != "nan" and row["name"] != "the notebook's loop"
        ]
    return _bars(rows, "setting", "seconds for an epoch of 60,000 images")


def accuracy_chart() -> dict[str, Any]:
    """Return a Vega-Lite chart: the median time to each accuracy."""
    rows = [
        {"who": who, "seconds": seconds, "mark": f"{float(mark):.2%}"}
        for (_, mark, who), passed in _by_mark(RESULTS / "accuracy.csv").items()
        if math.isfinite(seconds := statistics.median(float(row["seconds"]) for row in passed))
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
