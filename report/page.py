"""The report: one page that shows a trained network's results and reads digits drawn on it, and asks for nothing more.

What is looked at is in the folder report/: a template, a style sheet, and scripts that are the network in JavaScript.
"""

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from mnist.arrays import FloatArray
from mnist.evaluation import EXAMPLE, confusion_matrix, precision_and_recall
from mnist.files import DamagedFileError
from mnist.hyperparameters import DEFORMATIONS, Hyperparameters
from mnist.network import Network
from mnist.storage import Model

_SCRIPTS = ("drawing.js", "network.js", "charts.js", "page.js")

# Larger networks than this are left out of the page, which should stay below 5 MB.
_MOST_WEIGHTS = 600_000
_SHOWN_UNITS = 100
_SHOWN_MISTAKES = 24
_SETS = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class Results:
    """What the stages found out about a network.

    Attributes
    ----------
    model : Model
    evaluation_images : str
        The hyperparameter: how the test images were given to it.
    scores, recorded : dict
        metrics/scores.json, and what `stages.record` keeps of the run to compare it with.
    history : list of dict
        A row an epoch, by the names of `training.Epoch`.
    predictions : list of dict
        Of each test image, "actual" and "predicted", by the names of the classes.
    examples : ndarray of EXAMPLE
        Test images to look at.
    training_digits : bytes
        A PNG of digits as training sees them.
    """

    model: Model
    evaluation_images: str
    scores: dict[str, Any]
    recorded: dict[str, Any]
    history: list[dict[str, float]]
    predictions: list[dict[str, str]]
    examples: NDArray[Any]
    training_digits: bytes

    def __post_init__(self) -> None:
        """Raise DamagedFileError where something is not what the stages write."""
        faults = {
            "plots/examples.npy": self.examples.dtype != EXAMPLE or self.examples.ndim != 1,
            "plots/history.csv": not self.history,
            "plots/predictions.csv": not self.predictions
            or any(value not in self.model.class_names for row in self.predictions for value in row.values()),
            "metrics/scores.json": not _are_figures(self.scores),
        }
        for file, is_wrong in faults.items():
            if is_wrong:
                raise DamagedFileError(f"{file}: is not what `evaluate` or `train` write; `dvc repro` makes it again")
        if not isinstance(self.recorded.get("parameters"), dict) or not _are_figures(self.recorded.get("metrics")):
            raise DamagedFileError("metrics/recorded.json: has no parameters and metrics; `make record` makes it again")
        right = sum(row["actual"] == row["predicted"] for row in self.predictions)
        if right / len(self.predictions) != self.scores["test"]["accuracy"]:
            raise DamagedFileError(
                "plots/predictions.csv: is not of the run that metrics/scores.json is of; `dvc repro`"
            )


def render(pieces: Path, chart_scripts: str, results: Results) -> str:
    """Return the page.

    Parameters
    ----------
    pieces : Path
        The folder of template, style sheet and scripts.
    chart_scripts : str
        What defines `vegaEmbed`, which draws the curves.
    results : Results

    Returns
    -------
    str
        HTML that contains all it needs; its Content-Security-Policy lets a browser run these scripts only, and load
        nothing. The same for the same results.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pieces),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = [
        # No `</script>` may stand in a script; in strings and patterns `<\\/script>` is the same.
        text.replace("</script", "<\\/script")
        for text in (chart_scripts, "\n".join((pieces / name).read_text(encoding="utf-8") for name in _SCRIPTS))
    ]
    style = (pieces / "page.css").read_text(encoding="utf-8")
    return environment.get_template("template.html").render(
        scripts=scripts,
        style=style,
        script_digests=list(map(_digest, scripts)),
        style_digest=_digest(style),
        **_facts(results),
        data=_data(results),
    )


def _digest(text: str) -> str:
    """Return what a Content-Security-Policy calls a piece of a page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _facts(results: Results) -> dict[str, Any]:
    """Return what the template says in words and tables."""
    names = results.model.class_names
    actual, predicted = (
        np.array([names.index(row[column]) for row in results.predictions], np.uint8)
        for column in ("actual", "predicted")
    )
    confusion = confusion_matrix(actual, predicted)
    precision, recall = precision_and_recall(confusion)
    images, right = int(confusion.sum()), int(np.trace(confusion))
    parameters = results.model.hyperparameters | {"evaluation_images": results.evaluation_images}
    deformed = any(parameters.get(name, 0) for name in DEFORMATIONS)
    wrong = results.examples[results.examples["actual"] != results.examples["predicted"]]
    descriptions = {key: field.description for key, field in Hyperparameters.model_fields.items()}
    return {
        "things": "digits" if _are_digits(results) else "images",
        "names": names,
        "accuracy": right / images,
        "interval": _interval(right, images),
        "images": images,
        "mistakes": images - right,
        "architecture": str(results.model.network.architecture),
        "units": results.model.network.architecture.sizes[1],
        "shown_units": min(_SHOWN_UNITS, results.model.network.architecture.sizes[1]),
        "drawable": results.model.network.architecture.count <= _MOST_WEIGHTS,
        "confusion": [[{"count": int(n), "level": _level(n, confusion)} for n in row] for row in confusion],
        "digits": [
            {
                "images": int(row.sum()),
                "wrong": int(row.sum() - row[digit]),
                "precision": precision[digit],
                "recall": recall[digit],
            }
            for digit, row in enumerate(confusion)
        ],
        "scores": {label: results.scores[name] for name, label in _SETS.items() if name in results.scores},
        "history": results.history,
        "validated": not math.isnan(results.history[-1]["validation_loss"]),
        "shown_mistakes": min(_SHOWN_MISTAKES, len(wrong)),
        "training_digits": base64.b64encode(results.training_digits).decode() if deformed else None,
        "recipe": [
            (key, _as_written(parameters[key]), descriptions.get(key)) for key in sorted(parameters, key=_place)
        ],
        "environment": results.model.environment,
        "differences": _differences(results, parameters),
    }


def _are_digits(results: Results) -> bool:
    """Tell whether what the network reads are digits, as people write them."""
    return all(name.isdecimal() for name in results.model.class_names)


def _interval(right: int, images: int) -> tuple[float, float]:
    """Return between which accuracies the true one lies with 95 % confidence (Wilson 1927, score interval)."""
    z = 1.96
    p = right / images
    centre = (p + z * z / (2 * images)) / (1 + z * z / images)
    half = z * math.sqrt(p * (1 - p) / images + z * z / (4 * images * images)) / (1 + z * z / images)
    return centre - half, centre + half


def _level(count: int, confusion: NDArray[np.int64]) -> int:
    """Return how dark a cell is, 0 to 4, on a logarithmic scale up to the most frequent mistake."""
    most = int((confusion - np.diag(np.diagonal(confusion))).max())
    return 0 if count == 0 or most == 0 else min(4, 1 + int(3 * math.log(max(1, count)) / math.log(max(2, most))))


def _as_written(value: Any) -> str:
    """Return a value as params.yaml would have it."""
    return value if isinstance(value, str) else json.dumps(value)


def _place(key: str) -> int:
    """Return where a key stands in params.yaml."""
    known = list(Hyperparameters.model_fields)
    return known.index(key) if key in known else len(known)


def _differences(results: Results, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return how this run differs from the recorded one, in two tables.

    Parameters that differ: (name, recorded, here). Metrics: (name, loss or accuracy, recorded, here, change).
    """
    old = results.recorded["parameters"]
    before, now = results.recorded["metrics"], results.scores
    return {
        "parameters": [
            (key, _as_written(old.get(key, "-")), _as_written(parameters.get(key, "-")))
            for key in sorted(old.keys() | parameters.keys(), key=lambda key: (_place(key), key))
            if old.get(key) != parameters.get(key)
        ],
        "metrics": [
            (f"{label} {figure}", figure, *_change(before.get(name, {}).get(figure), now.get(name, {}).get(figure)))
            for name, label in reversed(_SETS.items())
            for figure in ("accuracy", "loss")
            if name in before or name in now
        ],
    }


def _change(before: float | None, now: float | None) -> tuple[float | None, float | None, float | None]:
    """Return both figures and their difference, in which what cannot be seen in four decimals is nothing at all."""
    return before, now, None if before is None or now is None else round(now - before, 4) + 0.0


def _are_figures(scores: Any) -> bool:
    """Tell whether something is what `evaluate` writes: loss and accuracy of some sets, the test set among them."""
    return (
        isinstance(scores, dict)
        and "test" in scores
        and all(
            name in _SETS
            and isinstance(score, dict)
            and all(isinstance(score.get(figure), float | int) for figure in ("loss", "accuracy"))
            for name, score in scores.items()
        )
    )


def _data(results: Results) -> dict[str, Any]:
    """Return what the scripts work with; arrays as base64 of their little-endian bytes."""
    network, examples = results.model.network, results.examples
    return {
        "network": as_json(network) if network.architecture.count <= _MOST_WEIGHTS else None,
        "examples": {
            "images": _base64(examples["image"], "u1"),
            **{name: examples[name].tolist() for name in ("number", "actual", "predicted")},
            **{name: np.round(examples[name].astype(float), 4).tolist() for name in ("output", "output_of_actual")},
        },
        "firstLayer": _base64(_strengths(network.weights[0][:, :_SHOWN_UNITS]), "i1"),
        "history": [
            {key: None if math.isnan(value) else round(value, 6) for key, value in row.items()}
            for row in results.history
        ],
        "shownMistakes": _SHOWN_MISTAKES,
        "names": results.model.class_names,
        "invitation": "Write a large 0 to 9 on the sheet." if _are_digits(results) else "Draw on the sheet.",
    }


def as_json(network: Network) -> dict[str, Any]:
    """Return a network for network.js, which computes as `Network.forward` does for a single image."""
    architecture, normalisation = network.architecture, network.normalisation
    return {
        "activation": architecture.activation,
        "output": architecture.output,
        "offset": _base64(normalisation.offset[0], "<f4"),
        "scale": _base64(normalisation.scale[0], "<f4"),
        "layers": [
            {
                "inputs": fan_in,
                "outputs": fan_out,
                "weights": _base64(network.weights[layer], "<f4"),
                "biases": _base64(network.biases[layer], "<f4") if network.biases else None,
            }
            for layer, (fan_in, fan_out) in enumerate(architecture.weight_shapes)
        ],
    }


def _strengths(weights: FloatArray) -> FloatArray:
    """Return weights (784, units) as (units, 784) numbers -127..127, each unit with a scale of its own."""
    strongest = np.abs(weights).max(axis=0)
    return np.round(127 * weights / np.where(strongest == 0, 1, strongest)).T


def _base64(values: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()
