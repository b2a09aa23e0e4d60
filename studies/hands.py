"""Draw digits as other hands write them, and print how many drawings of each style the trained network reads.

Writes studies/results/hands.csv. A seed decides the drawings; the study opens no image of MNIST.
"""

import argparse
import collections
import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mnist.errors import plain_errors
from mnist.fingerprint import describe_arithmetic
from mnist.model import Model, load_model
from mnist.reading.placement import place_digit
from stages.pipeline import Workspace
from studies.handwriting import HANDS, Stroke, Written, arc, ink_of
from studies.results import RESULTS, save_rows

SEED = 2
"""The seed of the reported drawings. All choices were made on the drawings of seed 1."""

DRAWINGS = 300
_SIDE = 160  # pixels of a sheet
_LARGEST = 0.7  # the longer side of a digit, as a fraction of the sheet

Range: TypeAlias = tuple[float, float]
Form: TypeAlias = Callable[[np.random.Generator], list[Stroke]]
"""Draws a digit in a box of 1 x 1, as in `HANDS`."""


class Reading(NamedTuple):
    """The number of drawings of a style that the network reads correctly, and its most frequent mistake ("1 as 7")."""

    style: str
    drawings: int
    right: int
    mistake: str
    times: int


def _usual(hands: list[list[Stroke]]) -> Form:
    return lambda rng: hands[rng.integers(len(hands))]


_USUAL = {digit: _usual(hands) for digit, hands in HANDS.items()}


class Style(NamedTuple):
    """The digits of a style, the functions that form them, and the ranges of their random measures."""

    forms: Mapping[int, Form] = _USUAL
    pen: Range = (0.06, 0.12)  # width of the stroke / height of the digit
    breadth: Range = (0.6, 0.8)  # width / height
    slant: Range = (-0.05, 0.25)  # shift to the right / height


def upstroked_1(rng: np.random.Generator) -> list[Stroke]:
    """A 1 with an upstroke, from a third to nearly all of its height; some stand on a foot."""
    x, y = rng.uniform((-0.05, 0.35), (0.25, 0.9))
    foot = [[(0.4, 1.0), (0.9, 1.0)]] if rng.random() < 0.3 else []
    return [[(x, y), (0.65, 0.0), (0.65, 1.0)], *foot]


def barred_7(rng: np.random.Generator) -> list[Stroke]:
    """A 7 with a bar across its stem, some with a serif at the beginning."""
    height, left, right = rng.uniform((0.4, 0.0, 0.65), (0.65, 0.35, 0.95))
    serif = [(0.12, 0.14)] if rng.random() < 0.3 else []
    return [[*serif, (0.12, 0.0), (0.85, 0.0), (0.4, 1.0)], [(left, height), (right, height - 0.04)]]


def open_4(rng: np.random.Generator) -> list[Stroke]:
    """A 4 that is open at the top: an angle, sometimes rounded, and a stem that crosses its bar or begins there."""
    x, bar, top, stem = rng.uniform((0.2, 0.45, 0.0, 0.55), (0.55, 0.75, 0.5, 0.8))
    bend = [(0.12, bar)] if rng.random() < 0.5 else arc((0.3, bar - 0.15), (0.2, 0.15), 190, 80)
    return [[(x, 0.0), *bend, (0.95, bar)], [(stem + 0.05, top), (stem, 1.0)]]


def curled_9(rng: np.random.Generator) -> list[Stroke]:
    """A 9 whose foot curls to the left, sometimes up again."""
    size, end = rng.uniform((0.18, 60), (0.3, 200))
    curl = arc((0.44, 0.74), (0.34, 0.26), 0, end)
    return [[*arc((0.48, size), (0.3, size), -10, -350), (0.78, size), *curl]]


def straight_9(rng: np.random.Generator) -> list[Stroke]:
    """A 9 on a straight stem, which sometimes begins above its loop."""
    size, top, foot = rng.uniform((0.16, 0.0, 0.5), (0.32, 0.2, 0.85))
    return [[*arc((0.48, size + 0.05), (0.3, size), 0, -360)], [(0.78, top), (foot, 1.0)]]


def slashed_0(rng: np.random.Generator) -> list[Stroke]:
    """A 0 with a slash through it, which sometimes extends beyond it."""
    x, y = rng.uniform(0.75, 1.3) * rng.uniform((0.2, 0.3), (0.4, 0.42))
    return [arc((0.5, 0.5), (0.4, 0.5), -80, 285), [(0.5 + x, 0.5 - y), (0.5 - x, 0.5 + y)]]


STYLES: dict[str, Style] = {
    "usual": Style(),
    "tiny": Style(pen=(0.25, 0.4)),
    "thick pen": Style(pen=(0.16, 0.25)),
    "thin pen": Style(pen=(0.015, 0.03)),
    "tall and thin": Style(breadth=(0.3, 0.45)),
    "wide": Style(breadth=(1.1, 1.5)),
    "slanted": Style(slant=(0.35, 0.6)),
    "leaning back": Style(slant=(-0.4, -0.2)),
    "1 with an upstroke": Style({1: upstroked_1}),
    "7 with a bar": Style({7: barred_7}),
    "open 4": Style({4: open_4}),
    "9 with a curled foot": Style({9: curled_9}),
    "9 on a straight stem": Style({9: straight_9}),
    "0 with a slash": Style({0: slashed_0}),
}


def draw(name: str, rng: np.random.Generator) -> Written:
    """Return a digit in a style of STYLES."""
    style = STYLES[name]
    digit = list(style.forms)[rng.integers(len(style.forms))]
    return Written(digit, *write(style.forms[digit], style, rng), name)


def write(form: Form, style: Style, rng: np.random.Generator) -> tuple[list[Stroke], float]:
    """Return strokes and the pen's width, as an unsteady hand draws a form; it fills the same part of every sheet."""
    pen, breadth, slant = (rng.uniform(*bounds) for bounds in (style.pen, style.breadth, style.slant))
    shape = np.array([[breadth, -slant], [0, 1]])
    # The hand wavers: a wave shifts the points in each direction.
    waves, phases, swings = rng.normal(0, 0.5, (2, 2)), rng.uniform(0, 2 * np.pi, 2), rng.normal(0, 0.05, 2)
    strokes = []
    for stroke in form(rng):
        points = _divide(stroke) - 0.5
        strokes.append((points + swings * np.sin(2 * np.pi * points @ waves + phases)) @ shape.T)
    everything = np.concatenate(strokes)
    lowest, extent = everything.min(axis=0), np.ptp(everything, axis=0)
    scale = _LARGEST / extent.max()
    placed = [(stroke - lowest - extent / 2) * scale + 0.5 for stroke in strokes]
    return [[(x, y) for x, y in stroke] for stroke in placed], pen * scale


def _divide(stroke: Stroke) -> NDArray[np.float64]:
    """Return points (points, 2) on a stroke, at most about 0.05 apart."""
    parts = [
        np.linspace(start, end, 1 + round(20 * math.dist(start, end)), endpoint=False)
        for start, end in itertools.pairwise(stroke)
    ]
    return np.concatenate([*parts, stroke[-1:]])


def read(model: Model, name: str, seed: int = SEED, drawings: int = DRAWINGS) -> Reading:
    """Return how a network reads the drawings of a style; the style's name and the seed decide the drawings."""
    rng = np.random.default_rng([seed, *name.encode()])
    sheets = [draw(name, rng) for _ in range(drawings)]
    images = np.stack([place_digit(ink_of(sheet, _SIDE)).ravel() for sheet in sheets])
    answers = model(images).argmax(axis=1).tolist()
    pairs = [(sheet.digit, answer) for sheet, answer in zip(sheets, answers, strict=True)]
    mistakes = collections.Counter(f"{digit} as {answer}" for digit, answer in pairs if digit != answer)
    ((mistake, times),) = mistakes.most_common(1) or [("", 0)]
    return Reading(name, drawings, drawings - mistakes.total(), mistake, times)


def main() -> None:
    """Let the network read all styles; write and print how many drawings it reads correctly."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with plain_errors():
        model = load_model(Workspace(Path()).model)
        readings = [read(model, name) for name in STYLES]
        recipes = {"default": model.recipe}
        save_rows(RESULTS / "hands.csv", readings, arithmetic=describe_arithmetic(), seed=SEED, recipes=recipes)
        for reading in readings:
            print(f"{reading.style:24} {reading.right / reading.drawings:7.1%}  {reading.mistake}")


if __name__ == "__main__":
    main()
