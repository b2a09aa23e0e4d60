"""Three pictures of a sweep: how it went, how its best trials differ from the others, what each hyperparameter does."""

import json
import math
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from stages.charts import save_chart
from sweeps.space import Axis, Choices, Sweep
from sweeps.study import Row, best_of

Chart: TypeAlias = dict[str, Any]

_BEST, _PALE, _BAD = "#c8500a", "#9aa5b1", "#b00020"
_COLOURS = ["#dfe5ea", "#c3ccd5", "#9db9d6", "#4b8ccb", "#0b2f63"]
_SCALE = "viridis"

# Pictures end at so many times the best figure: trials that stayed at guessing would leave the others no room.
_WORST_SHOWN = 12

# Points that would hide each other are moved apart by up to this part of the way to their neighbours.
_JITTER = 0.16

# A logarithm has no place for 0, which a small validation set can give.
_SMALLEST = 1e-6


def save(folder: Path, sweep: Sweep, rows: list[Row]) -> None:
    """Write trials.svg, parallel.svg and parameters.svg."""
    for name, chart in {"trials": over_trials, "parallel": parallel, "parameters": by_parameter}.items():
        save_chart(folder / f"{name}.svg", _page(chart(sweep, rows)))


def over_trials(sweep: Sweep, rows: list[Row]) -> Chart:
    """Return the chart of all trials in their order, and of the best so far."""
    across = {"field": "trial", "type": "quantitative", "title": "trial", "scale": {"nice": False, "padding": 12}}
    up = _objective(sweep, rows)
    best, so_far = [], math.inf
    for row in rows:
        if row.state == "complete":
            so_far = min(so_far, objective(sweep, row))
            best.append({"trial": row.number, "objective": so_far})
    if best:
        best.append({"trial": rows[-1].number, "objective": so_far})
    failed = [{"trial": row.number} for row in rows if not row.epochs or row.state in {"failed", "timed out"}]
    return {
        "width": 640,
        "height": 340,
        "layer": [
            {"data": {"values": best}, "mark": {"type": "line", "interpolate": "step-after", "color": _BEST},
             "encoding": {"x": across, "y": up}},
            {"data": {"values": _points(sweep, rows)},
             "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.9},
             "encoding": {"x": across, "y": up, "color": _epochs(sweep)}},
            {"data": {"values": failed}, "mark": {"type": "text", "text": "x", "fontSize": 16, "color": _BAD},
             "encoding": {"x": across, "y": {"value": 332}}},
            {"data": {"values": best[-1:]},
             "mark": {"type": "text", "align": "right", "dy": 14, "color": _BEST, "fontSize": 12},
             "encoding": {"x": across, "y": up, "text": {"value": _best_text(sweep, rows)}}},
        ],
    }  # fmt: skip


def parallel(sweep: Sweep, rows: list[Row]) -> Chart:
    """Return the chart of parallel coordinates: a line for each trial, an upright axis for each hyperparameter."""
    reached = [row for row in rows if row.epochs]
    figures = [math.log(max(objective(sweep, row), _SMALLEST)) for row in reached]
    low, high = min(figures, default=0.0), max(figures, default=1.0)
    high = min(high, low + math.log(_WORST_SHOWN))
    best = best_of(rows, sweep)
    spots: list[Chart] = []
    names = [*sweep.axes, _title(sweep)]
    rng = np.random.default_rng(0)
    for row, figure in zip(reached, figures, strict=True):
        places = [_place(axis, row.values[name], rng) for name, axis in sweep.axes.items()]
        places.append(min(1.0, (figure - low) / ((high - low) or 1)))
        spots += [
            {
                "trial": row.number,
                "axis": index,
                "place": place,
                "figure": min(figure, high),
                "ended": row.state == "complete",
                "best": row == best,
            }
            for index, place in enumerate(places)
        ]
    labels = [
        {"axis": index, "place": place, "text": text}
        for index, axis in enumerate(sweep.axes.values())
        for place, text in _ticks(axis)
    ]
    labels += [
        {"axis": len(names) - 1, "place": (math.log(tick) - low) / ((high - low) or 1), "text": f"{tick:g}"}
        for tick in _logarithmic(math.exp(low), math.exp(high))
    ]
    titles = [{"axis": index, "text": name} for index, name in enumerate(names)]
    across = {
        "field": "axis",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [-0.25, len(names) - 0.75], "nice": False},
    }
    up = {"field": "place", "type": "quantitative", "axis": None, "scale": {"domain": [-0.03, 1.03], "nice": False}}
    colour = {"field": "figure", "type": "quantitative", "legend": None, "scale": {"scheme": _SCALE}}
    lines = {"type": "line", "interpolate": "monotone"}
    return {
        "width": 180 * (len(names) - 1) + 60,
        "height": 340,
        "layer": [
            {"data": {"values": titles}, "mark": {"type": "rule", "color": "#d5dbe1"}, "encoding": {"x": across}},
            {"data": {"values": [spot for spot in spots if not spot["ended"]]},
             "mark": lines | {"strokeWidth": 1, "opacity": 0.35},
             "encoding": {"x": across, "y": up, "detail": {"field": "trial"}, "color": colour}},
            {"data": {"values": [spot for spot in spots if spot["ended"]]},
             "mark": lines | {"strokeWidth": 2.5, "opacity": 0.9},
             "encoding": {"x": across, "y": up, "detail": {"field": "trial"}, "color": colour}},
            {"data": {"values": [spot for spot in spots if spot["best"]]},
             "mark": lines | {"strokeWidth": 4, "color": _BEST},
             "encoding": {"x": across, "y": up}},
            {"data": {"values": labels},
             "mark": {"type": "text", "align": "left", "dx": 6, "fontSize": 12, "stroke": "white", "strokeWidth": 3},
             "encoding": {"x": across, "y": up, "text": {"field": "text"}}},
            {"data": {"values": labels}, "mark": {"type": "text", "align": "left", "dx": 6, "fontSize": 12},
             "encoding": {"x": across, "y": up, "text": {"field": "text"}}},
            {"data": {"values": titles}, "mark": {"type": "text", "dy": -12, "fontSize": 13, "fontWeight": "bold"},
             "encoding": {"x": across, "y": {"value": 0}, "text": {"field": "text"}}},
        ],
    }  # fmt: skip


def by_parameter(sweep: Sweep, rows: list[Row]) -> Chart:
    """Return charts of the objective against each hyperparameter, the best of each listed value marked."""
    return {
        "columns": 3,
        "concat": [_against(sweep, name, axis, rows) for name, axis in sweep.axes.items()],
        "resolve": {"scale": {"y": "shared", "color": "shared"}},
    }


def _against(sweep: Sweep, name: str, axis: Axis, rows: list[Row]) -> Chart:
    points = _points(sweep, rows)
    rng = np.random.default_rng(0)
    up = _objective(sweep, rows)
    if isinstance(axis, Choices):
        texts = [_text(value) for value in axis.values]
        for point in points:
            point[f"{name} place"] = texts.index(_text(point["values"][name])) + rng.uniform(-_JITTER, _JITTER)
        labels = f"{json.dumps(texts)}[datum.value]"
        across: Chart = {
            "field": f"{name} place",
            "scale": {"domain": [-0.5, len(texts) - 0.5], "nice": False},
            "axis": {"values": list(range(len(texts))), "labelExpr": labels, "grid": False},
        }
    else:
        for point in points:
            point[f"{name} place"] = point["values"][name]
        across = {
            "field": f"{name} place",
            "scale": {"type": "log" if axis.log else "linear", "domain": [axis.low, axis.high], "nice": False},
            "axis": {"tickCount": 5, "format": "~g"},
        }
    across |= {"type": "quantitative", "title": name}
    layers: list[Chart] = [
        {"data": {"values": points}, "mark": {"type": "point", "filled": True, "size": 50, "opacity": 0.85},
         "encoding": {"x": across, "y": up, "color": _epochs(sweep)}},
    ]  # fmt: skip
    if isinstance(axis, Choices):
        best = []
        for index, value in enumerate(axis.values):
            figures = [p["objective"] for p in points if p["state"] == "complete" and p["values"][name] == value]
            best += [{f"{name} place": index, "objective": min(figures)}] if figures else []
        mark = {
            "type": "line",
            "color": _BEST,
            "point": {"shape": "diamond", "filled": True, "size": 90, "color": _BEST},
        }
        layers.append({"data": {"values": best}, "mark": mark, "encoding": {"x": across, "y": up}})
    return {"width": 250, "height": 280, "layer": layers}


def objective(sweep: Sweep, row: Row) -> float:
    """Return what a picture shows of a trial, less being better: loss, or the part read wrongly in per cent."""
    return row.loss if sweep.settings.objective == "validation_loss" else 100 * (1 - row.accuracy)


def _title(sweep: Sweep) -> str:
    return "loss" if sweep.settings.objective == "validation_loss" else "read wrongly, %"


def _objective(sweep: Sweep, rows: list[Row]) -> Chart:
    figures = [max(objective(sweep, row), _SMALLEST) for row in rows if row.epochs] or [1.0]
    highest = _WORST_SHOWN * min(figures)
    what = "validation loss" if sweep.settings.objective == "validation_loss" else "validation images read wrongly, %"
    return {
        "field": "objective",
        "type": "quantitative",
        "title": what + (f" (cut off at {highest:.2g})" if max(figures) > highest else ""),
        "scale": {
            "type": "log",
            "domain": [0.82 * min(figures), min(highest, 1.1 * max(figures))],
            "nice": False,
            "clamp": True,
        },
        "axis": {"format": "~g", "tickCount": 6},
    }


def _epochs(sweep: Sweep) -> Chart:
    rungs = sweep.rungs
    # From pale to dark, however many rungs there are: the last ones are what is compared.
    colours = _COLOURS[-len(rungs) :]
    scale: Chart = {"domain": rungs} | ({"range": colours} if len(rungs) <= len(_COLOURS) else {"scheme": "blues"})
    return {"field": "epochs", "type": "ordinal", "title": "epochs", "scale": scale}


def _points(sweep: Sweep, rows: list[Row]) -> list[Chart]:
    return [
        {
            "trial": row.number,
            "objective": max(objective(sweep, row), _SMALLEST),
            "epochs": row.epochs,
            "state": row.state,
            "values": row.values,
        }
        for row in rows
        if row.epochs
    ]


def _best_text(sweep: Sweep, rows: list[Row]) -> str:
    best = best_of(rows, sweep)
    return f"best: trial {best.number}, {objective(sweep, best):.3g}" if best else ""


def _text(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def _place(axis: Axis, value: Any, rng: np.random.Generator) -> float:
    """Return where on an upright axis, from 0 to 1, a value is."""
    if isinstance(axis, Choices):
        steps = max(1, len(axis.values) - 1)
        return (axis.values.index(value) + float(rng.uniform(-_JITTER, _JITTER)) / 2) / steps
    low, high, number = (math.log(x) if axis.log else x for x in (axis.low, axis.high, value))
    return (number - low) / (high - low)


def _ticks(axis: Axis) -> list[tuple[float, str]]:
    if isinstance(axis, Choices):
        steps = max(1, len(axis.values) - 1)
        return [(index / steps, _text(value)) for index, value in enumerate(axis.values)]
    rng = np.random.default_rng(0)
    ticks = _logarithmic(axis.low, axis.high) if axis.log else np.linspace(axis.low, axis.high, 5).tolist()
    return [(_place(axis, tick, rng), f"{tick:.3g}") for tick in ticks]


def _logarithmic(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten from `low` to `high`."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [digit * 10.0**power for power in powers for digit in (1, 2, 5) if low <= digit * 10.0**power <= high]


def _page(chart: Chart) -> Chart:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": "white",
        "padding": 12,
        "config": {"view": {"stroke": None}, "axis": {"gridColor": "#eceff2", "domain": False, "labelFontSize": 12}},
    } | chart
