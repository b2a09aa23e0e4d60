"""Unknown images: letters, shapes, scribbles and other things that are no digits, and how many of them are flagged.

Letters come from the fonts that are there and from strokes. The unsteady hand of `studies.hands` draws strokes, with
random widths and slants. The test images of the data set show how many real digits are flagged wrongly. Writes
`benchmarks/results/unknown.csv`.
"""

import argparse
import itertools
import math
import string
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.machine import save_results
from mnist.answer import KNOWN
from mnist.data.arrays import ByteArray
from mnist.data.dataset import PIXELS, load_prepared, read_raw
from mnist.data.published import TEST_IMAGES, TEST_LABELS
from mnist.errors import plain_errors
from mnist.model import load_model
from mnist.reading.placement import SIDE, place_digit
from stages.pipeline import RAW, Workspace
from studies.hands import Style, write
from studies.handwriting import Stroke, arc, draw_strokes

SHEET = 140  # pixels
HAND = Style(pen=(0.05, 0.17), breadth=(0.75, 1.2), slant=(-0.2, 0.2))
FONTS = Path("/usr/share/fonts")
_FONT_SIZE = 200
TIMES = 50
# Letters and shapes that people also write for a digit: 0, 1, 2, 5, 6, 7, 8, 9.
DIGITS_TOO = {*"BDGIJOQSZbgijloqsyz", "diamond", "house", "lightning", "question mark", "tree"}
# Twice as long a line as that of an 8, in sides of its box.
LONG = 8

# In a box of 1 x 1, upper left corner (0, 0).
LETTERS: dict[str, list[Stroke]] = {
    "A": [[(0, 1), (0.45, 0), (0.9, 1)], [(0.2, 0.6), (0.72, 0.6)]],
    "B": [[(0.1, 0), (0.1, 1)],
          [(0.1, 0), *arc((0.4, 0.25), (0.35, 0.25), -90, 90), *arc((0.4, 0.75), (0.42, 0.25), -90, 90), (0.1, 1)]],
    "C": [arc((0.5, 0.5), (0.45, 0.5), -45, -315)],
    "D": [[(0.1, 0), (0.1, 1)], [(0.1, 0), *arc((0.3, 0.5), (0.6, 0.5), -90, 90), (0.1, 1)]],
    "E": [[(0.8, 0), (0.1, 0), (0.1, 1), (0.8, 1)], [(0.1, 0.5), (0.65, 0.5)]],
    "F": [[(0.8, 0), (0.1, 0), (0.1, 1)], [(0.1, 0.5), (0.65, 0.5)]],
    "G": [[*arc((0.5, 0.5), (0.45, 0.5), -45, -360), (0.55, 0.52)]],
    "H": [[(0.1, 0), (0.1, 1)], [(0.85, 0), (0.85, 1)], [(0.1, 0.5), (0.85, 0.5)]],
    "I": [[(0.5, 0), (0.5, 1)]],
    "J": [[(0.7, 0), (0.7, 0.7), *arc((0.4, 0.7), (0.3, 0.3), 0, 170)]],
    "K": [[(0.1, 0), (0.1, 1)], [(0.8, 0), (0.12, 0.55), (0.85, 1)]],
    "L": [[(0.1, 0), (0.1, 1), (0.75, 1)]],
    "M": [[(0, 1), (0.1, 0), (0.5, 0.65), (0.9, 0), (1, 1)]],
    "N": [[(0.1, 1), (0.1, 0), (0.85, 1), (0.85, 0)]],
    "O": [arc((0.5, 0.5), (0.42, 0.5), -90, 270)],
    "P": [[(0.1, 0), (0.1, 1)], [(0.1, 0), *arc((0.4, 0.27), (0.4, 0.27), -90, 90), (0.1, 0.54)]],
    "Q": [arc((0.5, 0.5), (0.45, 0.48), -90, 270), [(0.55, 0.65), (0.95, 1.05)]],
    "R": [[(0.1, 0), (0.1, 1)], [(0.1, 0), *arc((0.4, 0.25), (0.4, 0.25), -90, 90), (0.1, 0.5), (0.85, 1)]],
    "S": [[*arc((0.5, 0.25), (0.33, 0.25), -30, -270), *arc((0.48, 0.75), (0.37, 0.25), -90, 150)]],
    "T": [[(0, 0), (0.9, 0)], [(0.45, 0), (0.45, 1)]],
    "U": [[(0.1, 0), (0.1, 0.65), *arc((0.47, 0.65), (0.37, 0.35), 180, 0), (0.84, 0)]],
    "V": [[(0, 0), (0.45, 1), (0.9, 0)]],
    "W": [[(0, 0), (0.25, 1), (0.5, 0.3), (0.75, 1), (1, 0)]],
    "X": [[(0, 0), (0.85, 1)], [(0.85, 0), (0, 1)]],
    "Y": [[(0, 0), (0.45, 0.5), (0.9, 0)], [(0.45, 0.5), (0.45, 1)]],
    "Z": [[(0.05, 0), (0.85, 0), (0.05, 1), (0.9, 1)]],
    "a": [arc((0.4, 0.6), (0.38, 0.4), -60, -420), [(0.75, 0.2), (0.75, 0.9), (0.9, 1)]],
    "e": [[(0.1, 0.55), (0.85, 0.5), *arc((0.47, 0.5), (0.4, 0.5), 0, -310)]],
    "f": [[*arc((0.65, 0.25), (0.25, 0.25), -10, -180), (0.4, 1)], [(0.1, 0.45), (0.75, 0.45)]],
    "h": [[(0.1, 0), (0.1, 1)], [(0.1, 0.65), *arc((0.42, 0.68), (0.32, 0.26), 180, 360), (0.74, 1)]],
    "k": [[(0.1, 0), (0.1, 1)], [(0.65, 0.35), (0.12, 0.7), (0.7, 1)]],
    "m": [[(0, 0.1), (0, 1)], [(0, 0.4), *arc((0.25, 0.35), (0.25, 0.3), 180, 360), (0.5, 1)],
          [(0.5, 0.4), *arc((0.75, 0.35), (0.25, 0.3), 180, 360), (1, 1)]],
    "n": [[(0.1, 0.1), (0.1, 1)], [(0.1, 0.45), *arc((0.45, 0.4), (0.35, 0.35), 180, 360), (0.8, 1)]],
    "r": [[(0.2, 0.1), (0.2, 1)], [(0.2, 0.5), *arc((0.55, 0.45), (0.35, 0.35), 180, 300)]],
    "t": [[(0.4, 0), (0.4, 0.8), *arc((0.6, 0.8), (0.2, 0.2), 180, 60)], [(0.1, 0.3), (0.75, 0.3)]],
    "w": [[(0, 0), (0.22, 0.9), (0.5, 0.2), (0.75, 0.9), (1, 0)]],
    "y": [[(0.1, 0), (0.45, 0.55)], [(0.85, 0), (0.3, 1)]],
}  # fmt: skip


def star(points: int, inner: float) -> Stroke:
    """Return a star whose inner corners are so far from its middle; the outer ones are at 0.5."""
    radii = [0.5 if number % 2 == 0 else inner for number in range(2 * points + 1)]
    return [
        (0.5 + radius * math.sin(math.pi * number / points), 0.5 - radius * math.cos(math.pi * number / points))
        for number, radius in enumerate(radii)
    ]


SHAPES: dict[str, list[Stroke]] = {
    "heart": [[(0.5, 1), (0.08, 0.45), *arc((0.27, 0.25), (0.25, 0.25), 150, 350),
               *arc((0.73, 0.25), (0.25, 0.25), 190, 390), (0.5, 1)]],
    "triangle": [[(0.5, 0), (1, 0.9), (0, 0.9), (0.5, 0)]],
    "square": [[(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]],
    "rectangle": [[(0, 0.2), (1, 0.2), (1, 0.8), (0, 0.8), (0, 0.2)]],
    "diamond": [[(0.5, 0), (0.9, 0.5), (0.5, 1), (0.1, 0.5), (0.5, 0)]],
    "star": [star(5, 0.2)],
    "pentagram": [[star(5, 0.5)[2 * (2 * number % 5)] for number in range(6)]],
    "house": [[(0.1, 1), (0.1, 0.45), (0.5, 0), (0.9, 0.45), (0.9, 1), (0.1, 1)]],
    "arrow": [[(0, 0.5), (1, 0.5)], [(0.65, 0.2), (1, 0.5), (0.65, 0.8)]],
    "cross": [[(0.5, 0), (0.5, 1)], [(0, 0.5), (1, 0.5)]],
    "check": [[(0, 0.6), (0.35, 1), (1, 0)]],
    "spiral": [[(0.5 + r * math.cos(26 * r), 0.5 + r * math.sin(26 * r)) for r in np.linspace(0, 0.5, 40).tolist()]],
    "crescent": [[*arc((0.5, 0.5), (0.45, 0.5), -60, -300), *arc((0.75, 0.5), (0.5, 0.45), 120, 240)]],
    "lightning": [[(0.6, 0), (0.2, 0.55), (0.6, 0.5), (0.3, 1)]],
    "wave": [[(x, 0.5 + 0.2 * math.sin(12 * x)) for x in np.linspace(0, 1, 25).tolist()]],
    "hash": [[(0.33, 0), (0.3, 1)], [(0.7, 0), (0.67, 1)], [(0, 0.33), (1, 0.33)], [(0, 0.67), (1, 0.67)]],
    "question mark": [[*arc((0.5, 0.28), (0.3, 0.28), -170, 60), (0.5, 0.75)], [(0.5, 0.97), (0.5, 1)]],
    "infinity": [[(0.5 + 0.5 * math.cos(t), 0.5 + 0.35 * math.sin(2 * t)) for t in np.linspace(0, 6.3, 33).tolist()]],
    "tree": [[(0.5, 1), (0.5, 0.6)], arc((0.5, 0.3), (0.35, 0.3), 0, 360)],
    "stick figure": [arc((0.5, 0.15), (0.15, 0.15), 0, 360), [(0.5, 0.3), (0.5, 0.65)], [(0.15, 0.45), (0.85, 0.45)],
                     [(0.2, 1), (0.5, 0.65), (0.8, 1)]],
}  # fmt: skip

FACE = [
    arc((0.5, 0.5), (0.5, 0.5), 0, 360),
    [(0.32, 0.35), (0.33, 0.36)],
    [(0.68, 0.35), (0.67, 0.36)],
]
FACES: dict[str, list[Stroke]] = {
    "smiling": [*FACE, arc((0.5, 0.55), (0.28, 0.22), 20, 160)],
    "sad": [*FACE, arc((0.5, 0.85), (0.25, 0.2), 200, 340)],
    "straight": [*FACE, [(0.3, 0.72), (0.7, 0.72)], [(0.5, 0.45), (0.48, 0.58)]],
    "without a circle": [*FACE[1:], arc((0.5, 0.55), (0.28, 0.22), 20, 160), [(0.5, 0.42), (0.5, 0.56)]],
}


def draw(strokes: list[Stroke], rng: np.random.Generator) -> ByteArray:
    """Return strokes in a box of 1 x 1 as an image (28, 28), drawn by an unsteady hand."""
    return place_digit(draw_strokes(*write(lambda _: strokes, HAND, rng), SHEET))


def knot(rng: np.random.Generator) -> ByteArray:
    """Return a closed line that crosses itself many times: three waves across and three down."""
    along = np.linspace(0, 2 * math.pi, 200)[:, np.newaxis, np.newaxis]
    waves, phases = rng.integers(2, 7, (3, 2)), rng.uniform(0, 2 * math.pi, (3, 2))
    points = np.sin(waves * along + phases).sum(axis=1)
    points = (points - points.min(axis=0)) / np.ptp(points, axis=0)
    return draw([[(x, y) for x, y in points]], rng)


def wander(rng: np.random.Generator, *, long: bool) -> ByteArray:
    """Return a wild line: a walk whose direction changes at random; `long` if no digit has so long a line."""
    while True:
        count, angle = rng.integers(40, 160), rng.uniform(0, 2 * math.pi)
        bend = np.cumsum(rng.normal(0, rng.uniform(0.1, 0.5), count)) * 0.3 + rng.normal(0, 0.5, count)
        angles = angle + np.cumsum(bend)
        x, y = np.cumsum(np.cos(angles)), np.cumsum(np.sin(angles))
        size = max(np.ptp(x), np.ptp(y))
        if (count > LONG * size) == long:
            break
    points = np.stack([x - x.min(), y - y.min()], axis=1) / size * 5 / 7 + 1 / 7
    return place_digit(draw_strokes([[(x, y) for x, y in points]], rng.uniform(0.036, 0.071), SHEET))


def zigzag(rng: np.random.Generator, strokes: int) -> ByteArray:
    """Return a line to and fro across the sheet, as people cross something out."""
    x = np.where(np.arange(strokes + 1) % 2, 0.9, 0.1) + rng.normal(0, 0.08, strokes + 1)
    y = np.linspace(0, 1, strokes + 1) + rng.normal(0, 0.04, strokes + 1)
    return draw([list(zip(x, y, strict=True))], rng)


def several(rng: np.random.Generator, digits: ByteArray) -> ByteArray:
    """Return two or three of the `digits` (images, 784) in a row, close together."""
    chosen = digits[rng.choice(len(digits), rng.integers(2, 4))].reshape(-1, SIDE, SIDE)
    columns = [image[:, image.any(axis=0)] for image in chosen]
    row = np.concatenate([np.pad(some, ((0, 0), (0, int(rng.integers(0, 6))))) for some in columns], axis=1)
    return place_digit(row.repeat(5, axis=0).repeat(5, axis=1) / 255)


def filled(rng: np.random.Generator) -> ByteArray:
    """Return a sheet that is full, or a part of it: a rectangle that is no upright line, or a disc."""
    y, x = np.mgrid[:SHEET, :SHEET] / SHEET - 0.5
    height, width = rng.uniform(0.3, 1), rng.uniform(0.5, 1)
    if rng.random() < 0.5:
        return place_digit(((np.abs(y) <= height / 2) & (np.abs(x) <= width / 2)).astype(float))
    return place_digit(((y / height) ** 2 + (x / width) ** 2 <= 0.25).astype(float))


def letter(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> ByteArray:
    """Return a letter of a font as an image (28, 28)."""
    picture = Image.new("L", (400, 400))
    ImageDraw.Draw(picture).text((50, 50), text, 255, font)
    return place_digit(np.asarray(picture, np.float64) / 255)


def fonts() -> list[ImageFont.FreeTypeFont | ImageFont.ImageFont]:
    """Return the fonts of this machine, Pillow's own among them."""
    found = [ImageFont.truetype(path, _FONT_SIZE) for path in sorted(FONTS.rglob("*.ttf")) if "Math" not in path.name]
    return [*found, ImageFont.load_default(_FONT_SIZE)]


def make_all(digits: ByteArray, rng: np.random.Generator) -> dict[str, list[ByteArray]]:
    """Return images (28, 28) of every kind; `digits` (images, 784) are those to put side by side."""
    kinds: dict[str, list[ByteArray]] = {}
    for text, font in itertools.product(string.ascii_letters, fonts()):
        kinds.setdefault(_kind("letters of fonts", text), []).append(letter(text, font))
    for kind, drawings in (("drawn letters", LETTERS), ("shapes", SHAPES), ("faces", FACES)):
        for text, strokes in drawings.items():
            kinds.setdefault(_kind(kind, text), []).extend(draw(strokes, rng) for _ in range(TIMES))
    some = range(5 * TIMES)
    kinds["knots"] = [knot(rng) for _ in some]
    kinds["wandering lines"] = [wander(rng, long=True) for _ in some]
    kinds["wandering lines that are digits too"] = [wander(rng, long=False) for _ in some]
    kinds["zigzags"] = [zigzag(rng, int(rng.integers(5, 11))) for _ in some]
    # Four strokes are a 3 with corners.
    kinds["zigzags that are digits too"] = [zigzag(rng, 4) for _ in some]
    kinds["two or three digits"] = [several(rng, digits) for _ in range(15 * TIMES)]
    kinds["filled sheets"] = [filled(rng) for _ in range(10 * TIMES)]
    return kinds


def _kind(kind: str, text: str) -> str:
    return f"{kind} that are digits too" if text in DIGITS_TOO else kind


class Flagged(NamedTuple):
    """How many images of a kind there are, and which part of them is flagged as unlike any training image."""

    kind: str
    images: int
    flagged: float


def main() -> None:
    """Make everything, measure it, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn at random (%(default)s)")
    seed = parser.parse_args().seed
    with plain_errors("the same command starts over"):
        model, prepared = load_model(Workspace(Path()).model), load_prepared(Workspace(Path()).prepared)
        kinds = make_all(prepared.validation.images, np.random.default_rng(seed))
        images = {kind: np.stack(some).reshape(-1, PIXELS) for kind, some in kinds.items()}
        images["test digits"] = read_raw(RAW / TEST_IMAGES, RAW / TEST_LABELS).images
        rows = [
            Flagged(kind, len(some), float(np.mean(model.read(some).novelty > KNOWN))) for kind, some in images.items()
        ]
        save_results("unknown", rows, seed=seed)
        print(*(f"{row.kind:40}{row.images:6}{row.flagged:8.1%}" for row in rows), sep="\n")


if __name__ == "__main__":
    main()
