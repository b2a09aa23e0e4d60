"""The report: one HTML page that shows a trained network's results and reads digits drawn on it.

This module fills in template.html, and embeds page.css and the scripts in the page, which then loads no other file.
"""

import base64
import hashlib
import json
import math
import re
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from mnist.answer import MOST
from mnist.checked import flatten
from mnist.data.arrays import ByteArray
from mnist.data.dataset import Dataset
from mnist.examples import worst_mistakes
from mnist.model import Model
from mnist.nn.arrays import FloatArray
from mnist.nn.network import Network
from mnist.novelty import Novelty
from mnist.recipe import Recipe
from report.sheets import draw_strip, scale

_FOLDER = Path(__file__).parent
_SCRIPTS = ("placement", "pieces", "network", "novelty", "answer", "why", "pad", "charts", "page")

# With a larger network, the page would exceed 5 MB.
_MOST_WEIGHTS = 600_000
_SHOWN_UNITS = 100
_SHOWN_MISTAKES = 24
# A unit has learnt nothing if its activation varies by less than this fraction of the median unit's.
_LEAST_VARIATION = 0.05
_RED, _BLUE, _BLACK = (214, 40, 40), (40, 100, 214), (0, 0, 0)
_CURVE_WIDTH, _CURVE_HEIGHT = 540, 290
_SETS = {"test": "test", "validation": "validation", "train": "training"}


@dataclass(frozen=True)
class Results:
    """The results of the stages for one network."""

    model: Model
    scores: dict[str, Any]  # metrics/scores.json
    history: list[dict[str, float]]  # a row for each epoch, with the names of `mnist.nn.training.Epoch`
    reliability: list[dict[str, float]]  # a row for each bin, with the names of `mnist.calibration.Bin`
    predictions: list[dict[str, str]]  # a row for each test image: the names of its "actual" and its "predicted" class
    examples: NDArray[np.void]  # test images to show, of type EXAMPLE
    prototypes: Dataset  # training images to compare a digit with
    training_digits: ByteArray | None  # (60, 784), ten versions of each of six; None if training does not deform images
    baseline: dict[str, Any]  # the run to compare with: its "parameters" and "metrics"


def render(results: Results, chart_scripts: str) -> bytes:
    """Return the page, the same bytes for the same results; `chart_scripts` is JavaScript that defines `vegaEmbed`.

    Its Content-Security-Policy lets a browser run only the page's own scripts, and load nothing.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"digest": _digest, "headings": _find_headings}
    own_scripts = "\n".join((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPTS)
    # A script must not contain `</script>`; in strings and patterns, `<\/script>` has the same meaning.
    scripts = [text.replace("</script", "<\\/script") for text in (chart_scripts, own_scripts)]
    page = environment.get_template("template.html").render(
        scripts=scripts,
        style=(_FOLDER / "page.css").read_text(encoding="utf-8"),
        **_describe_results(results),
        **_compare(results),
        data=_collect_data(results),
    )
    # A name from a JSON file can contain half of a surrogate pair, which UTF-8 cannot encode.
    return page.encode(errors="replace")


def _digest(text: str) -> str:
    """Return the digest by which a Content-Security-Policy names a script or a style sheet."""
    return f"'sha256-{_base64(hashlib.sha256(text.encode()).digest())}'"


def _find_headings(sections: str) -> list[tuple[str, str]]:
    """Return the id and the text of each h2, for the table of contents."""
    return re.findall(r'<h2 id="([^"]*)"[^>]*>([^<]*)</h2>', sections)


def _describe_results(results: Results) -> dict[str, Any]:
    """Return the values that the template shows in its text and tables."""
    model, names, test = results.model, results.model.class_names, results.scores["test"]
    counts = Counter((row["actual"], row["predicted"]) for row in results.predictions)
    confusion = np.array([[counts[actual, predicted] for predicted in names] for actual in names])
    mistakes = confusion - np.diag(np.diagonal(confusion))
    recipe, fields = flatten(model.recipe), Recipe.fields()
    weights = scale(model.network.weights[0][:, :_SHOWN_UNITS])
    idle = _find_idle_units(model, results.examples["image"])[:_SHOWN_UNITS]
    shown_mistakes = worst_mistakes(results.examples, _SHOWN_MISTAKES)
    digits = results.training_digits
    return {
        "things": "digits" if all(name.isdecimal() for name in names) else "images",
        "names": names,
        "network": model.network,
        "units": (np.flatnonzero(~idle).tolist(), np.flatnonzero(idle).tolist()),
        "shown_units": len(weights),
        "unit_strip": _base64(draw_strip(weights, _RED, _BLUE)),
        "mistake_strip": len(shown_mistakes) and _base64(draw_strip(shown_mistakes["image"] / 255, _BLACK)),
        "shown_mistakes": [
            (actual, predicted, min(probability, MOST), missed)
            for _, actual, predicted, probability, missed, _ in shown_mistakes.tolist()
        ],
        "images": len(results.predictions),
        "mistakes": int(mistakes.sum()),
        "accuracy": test["accuracy"],
        "temperature": model.temperature,
        **{name: test[name] for name in ("ece", "ece_before", "unknown")},
        "interval": _interval(test["accuracy"], len(results.predictions)),
        "confusion": np.stack([confusion, _levels(mistakes)], axis=-1).tolist(),
        "classes": list(
            zip(names, confusion.sum(axis=1), mistakes.sum(axis=1), test["recall"], test["precision"], strict=True)
        ),
        "scores": {_SETS[name]: score for name, score in results.scores.items()},
        "history": results.history,
        "validated": not math.isnan(results.history[-1]["validation_loss"]),
        "dots": [_place_dot(**each) for each in results.reliability],
        "curves": {figure: _trace(results.history, figure) for figure in ("loss", "accuracy")},
        "training_digits": None if digits is None else len(digits),
        "training_strip": None if digits is None else _base64(draw_strip(digits / 255, _BLACK)),
        "recipe": [
            (key, _as_written(recipe[key]), fields[key].description if key in fields else "") for key in _keys(recipe)
        ],
    }


def _find_idle_units(model: Model, pixels: ByteArray) -> NDArray[np.bool_]:
    """Return which units (units,) of the first layer hardly distinguish these images (images, 784).

    Such a unit learns nothing: its activation does not change, so no gradient depends on the image.
    """
    images = model.normalisation(pixels, np.empty(pixels.shape, model.network.theta.dtype))
    variation = model.network.forward(images)[1].std(axis=0)
    idle: NDArray[np.bool_] = variation < _LEAST_VARIATION * np.median(variation)
    return idle


def _trace(history: list[dict[str, float]], figure: str) -> dict[str, Any]:
    """Return a curve for each set, as points of an SVG, and the values at the top and the bottom."""
    curves = {"training": [row[f"train_{figure}"] for row in history]}
    if not math.isnan(history[-1]["validation_loss"]):
        curves["validation"] = [row[f"validation_{figure}"] for row in history]
    top, bottom = max(map(max, curves.values())), min(map(min, curves.values()))
    width, height = _CURVE_WIDTH / max(1, len(history) - 1), _CURVE_HEIGHT / ((top - bottom) or 1)
    points = {
        name: " ".join(f"{width * index:.0f},{height * (top - value):.0f}" for index, value in enumerate(values))
        for name, values in curves.items()
    }
    return {"points": points, "top": top, "bottom": bottom}


def _place_dot(calibrated: float, confidence: float, accuracy: float, images: float) -> tuple[str, float, float, float]:
    """Return a dot of the reliability diagram: the name of its colour, its place in an SVG, and its radius."""
    name = "validation" if calibrated else "training"
    return name, _CURVE_WIDTH * confidence, _CURVE_HEIGHT * (1 - accuracy), 2 + 2 * math.log10(images)


def _interval(accuracy: float, images: int) -> tuple[float, float]:
    """Return the bounds of the true accuracy with 95% confidence (Wilson 1927, score interval)."""
    z = 1.96
    centre = accuracy + z * z / (2 * images)
    half = z * math.sqrt(accuracy * (1 - accuracy) / images + z * z / (4 * images * images))
    return (centre - half) / (1 + z * z / images), (centre + half) / (1 + z * z / images)


def _levels(mistakes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the darkness of each cell, 0 to 4, on a logarithmic scale up to the most frequent mistake."""
    steps = 3 * np.log(np.maximum(mistakes, 1)) / np.log(max(2, mistakes.max()))
    return np.where(mistakes > 0, 1 + steps.astype(np.int64), 0)


def _compare(results: Results) -> dict[str, Any]:
    """Compare this run with the baseline: return the parameters that differ, and all figures side by side.

    People merge and edit the baseline's file: unexpected parts count as missing.
    """
    parameters, metrics = (
        part if isinstance(part := results.baseline.get(name), dict) else {} for name in ("parameters", "metrics")
    )
    before, now = flatten(parameters), flatten(results.model.recipe)
    old, new = (
        {key: figure for key, figure in flatten(table).items() if isinstance(figure, float)}
        for table in (metrics, results.scores)
    )
    figures = [
        (f"{label} {figure}", figure, old.get(f"{name}.{figure}"), new.get(f"{name}.{figure}"))
        for name, label in _SETS.items()
        for figure in ("accuracy", "loss")
        if f"{name}.{figure}" in old | new
    ]
    return {
        "figures": figures,
        # Compare only the digits that the page shows: the last bits of a loss differ between machines.
        "same_figures": all(
            before is not None and after is not None and round(after - before, 4) == 0
            for _, _, before, after in figures
        ),
        "changed_parameters": [
            (key, _as_written(before.get(key, "-")), _as_written(now.get(key, "-")))
            for key in _keys(before | now)
            if before.get(key) != now.get(key)
        ],
    }


def _keys(flat: dict[str, Any]) -> list[str]:
    """Return the keys in the order of params.yaml, then the keys that it does not have."""
    known = [key for key in Recipe.fields() if key in flat]
    return known + sorted(flat.keys() - set(known))


def _as_written(value: Any) -> str:
    """Return a value as params.yaml would write it."""
    return value if isinstance(value, str) else json.dumps(value)


def _collect_data(results: Results) -> dict[str, Any]:
    """Return the data that the scripts use; arrays are base64 of their little-endian bytes."""
    network, examples = results.model.network, results.examples
    columns = ["number", "actual", "predicted", "probability", "probability_of_actual"]
    return {
        "network": encode_network(results.model) if network.theta.size <= _MOST_WEIGHTS else None,
        "novelty": encode_novelty(results.model.novelty),
        "examples": [dict(zip(columns, row, strict=True)) for row in examples[columns].tolist()],
        "example_images": _compress(examples["image"]),
        "prototypes": {
            "images": _compress(results.prototypes.images),
            "labels": results.prototypes.labels.tolist(),
        },
        "mistakes": worst_mistakes(examples, _SHOWN_MISTAKES)["number"].tolist(),
        # Six digits are more than a chart shows, and halve the number of bytes.
        "history": [
            {key: None if math.isnan(value) else float(f"{value:.6g}") for key, value in row.items()}
            for row in results.history
        ],
        "reliability": results.reliability,
        "names": results.model.class_names,
    }


def encode_network(model: Model) -> dict[str, Any]:
    """Return a model for network.js, which computes the same as `Model`, for a single image."""
    offset, scale = float(model.normalisation.offset), float(model.normalisation.scale)
    return _encode_layers(model.network, offset, scale) | {"temperature": model.temperature}


def encode_novelty(novelty: Novelty) -> dict[str, Any]:
    """Return a score for novelty.js, which computes the same as `Novelty`, for a single image."""
    arrays = {name: _encode(getattr(novelty, name)) for name in ("means", "axes", "rest")}
    network = _encode_layers(novelty.network, novelty.offset, novelty.scale)
    return arrays | {"network": network, "factors": novelty.factors.tolist(), "constant": novelty.constant}


def _encode_layers(network: Network, offset: float, scale: float) -> dict[str, Any]:
    return {
        "activation": network.activation.name,
        "output": network.output.name,
        "offset": offset,
        "scale": scale,
        "sizes": network.sizes,
        "weights": [_encode(weights) for weights in network.weights],
        "biases": [_encode(biases) for biases in network.biases],
    }


def _encode(values: FloatArray) -> str:
    return _base64(values.astype("<f4").tobytes())


def _compress(images: ByteArray) -> str:
    """Return images for `decodeImages` in network.js."""
    return _base64(zlib.compress(images.tobytes(), 9))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
