"""Nonsense: letters, shapes, scribbles and other things that are no digits, and how many of them are flagged as such.

Letters come from the fonts that are there and from strokes; strokes are drawn by a hand that shakes, slants and
stretches them at random. The test images of the data set show how many real digits are flagged wrongly. Writes
`benchmarks/results/nonsense.csv`.
"""

import math
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mnist.data.arrays import ByteArray
from mnist.reading.placement import place_digit

FloatArray: TypeAlias = NDArray[np.float64]
Stroke: TypeAlias = list[tuple[float, float]]

SHEET = 280
FONTS = Path("/usr/share/fonts")


def arc(x: float, y: float, width: float, height: float, start: float, end: float) -> Stroke:
    """Return points of an ellipse around (x, y), angles in degrees: 0 right, 90 down."""
    angles = np.radians(np.linspace(start, end, 16))
    return list(zip((x + width * np.cos(angles)).tolist(), (y + height * np.sin(angles)).tolist(), strict=True))


# In a box of 1 x 1, upper left corner (0, 0).
LETTERS: dict[str, list[Stroke]] = {
    "A": [[(0, 1), (0.45, 0), (0.9, 1)], [(0.2, 0.6), (0.72, 0.6)]],
    "B": [[(0.1, 0), (0.1, 1)], [(0.1, 0), *arc(0.4, 0.25, 0.35, 0.25, -90, 90), *arc(0.4, 0.75, 0.42, 0.25, -90, 90), (0.1, 1)]],
    "C": [arc(0.5, 0.5, 0.45, 0.5, -45, -315)],
    "D": [[(0.1, 0), (0.1, 1)], [(0.1, 0), *arc(0.3, 0.5, 0.6, 0.5, -90, 90), (0.1, 1)]],
    "E": [[(0.8, 0), (0.1, 0), (0.1, 1), (0.8, 1)], [(0.1, 0.5), (0.65, 0.5)]],
    "F": [[(0.8, 0), (0.1, 0), (0.1, 1)], [(0.1, 0.5), (0.65, 0.5)]],
    "G": [[*arc(0.5, 0.5, 0.45, 0.5, -45, -360), (0.55, 0.52)]],
    "H": [[(0.1, 0), (0.1, 1)], [(0.85, 0), (0.85, 1)], [(0.1, 0.5), (0.85, 0.5)]],
    "I": [[(0.5, 0), (0.5, 1)]],
    "J": [[(0.7, 0), (0.7, 0.7), *arc(0.4, 0.7, 0.3, 0.3, 0, 170)]],
    "K": [[(0.1, 0), (0.1, 1)], [(0.8, 0), (0.12, 0.55), (0.85, 1)]],
    "L": [[(0.1, 0), (0.1, 1), (0.75, 1)]],
    "M": [[(0, 1), (0.1, 0), (0.5, 0.65), (0.9, 0), (1, 1)]],
    "N": [[(0.1, 1), (0.1, 0), (0.85, 1), (0.85, 0)]],
    "O": [arc(0.5, 0.5, 0.42, 0.5, -90, 270)],
    "P": [[(0.1, 0), (0.1, 1)], [(0.1, 0), *arc(0.4, 0.27, 0.4, 0.27, -90, 90), (0.1, 0.54)]],
    "Q": [arc(0.5, 0.5, 0.45, 0.48, -90, 270), [(0.55, 0.65), (0.95, 1.05)]],
    "R": [[(0.1, 0), (0.1, 1)], [(0.1, 0), *arc(0.4, 0.25, 0.4, 0.25, -90, 90), (0.1, 0.5), (0.85, 1)]],
    "S": [[*arc(0.5, 0.25, 0.33, 0.25, -30, -270), *arc(0.48, 0.75, 0.37, 0.25, -90, 150)]],
    "T": [[(0, 0), (0.9, 0)], [(0.45, 0), (0.45, 1)]],
    "U": [[(0.1, 0), (0.1, 0.65), *arc(0.47, 0.65, 0.37, 0.35, 180, 0), (0.84, 0)]],
    "V": [[(0, 0), (0.45, 1), (0.9, 0)]],
    "W": [[(0, 0), (0.25, 1), (0.5, 0.3), (0.75, 1), (1, 0)]],
    "X": [[(0, 0), (0.85, 1)], [(0.85, 0), (0, 1)]],
    "Y": [[(0, 0), (0.45, 0.5), (0.9, 0)], [(0.45, 0.5), (0.45, 1)]],
    "Z": [[(0.05, 0), (0.85, 0), (0.05, 1), (0.9, 1)]],
    "a": [arc(0.4, 0.6, 0.38, 0.4, -60, -420), [(0.75, 0.2), (0.75, 0.9), (0.9, 1)]],
    "e": [[(0.1, 0.55), (0.85, 0.5), *arc(0.47, 0.5, 0.4, 0.5, 0, -310)]],
    "f": [[*arc(0.65, 0.25, 0.25, 0.25, -10, -180), (0.4, 1)], [(0.1, 0.45), (0.75, 0.45)]],
    "h": [[(0.1, 0), (0.1, 1)], [(0.1, 0.65), *arc(0.42, 0.68, 0.32, 0.26, 180, 360), (0.74, 1)]],
    "k": [[(0.1, 0), (0.1, 1)], [(0.65, 0.35), (0.12, 0.7), (0.7, 1)]],
    "m": [[(0, 0.1), (0, 1)], [(0, 0.4), *arc(0.25, 0.35, 0.25, 0.3, 180, 360), (0.5, 1)],
          [(0.5, 0.4), *arc(0.75, 0.35, 0.25, 0.3, 180, 360), (1, 1)]],
    "n": [[(0.1, 0.1), (0.1, 1)], [(0.1, 0.45), *arc(0.45, 0.4, 0.35, 0.35, 180, 360), (0.8, 1)]],
    "r": [[(0.2, 0.1), (0.2, 1)], [(0.2, 0.5), *arc(0.55, 0.45, 0.35, 0.35, 180, 300)]],
    "t": [[(0.4, 0), (0.4, 0.8), *arc(0.6, 0.8, 0.2, 0.2, 180, 60)], [(0.1, 0.3), (0.75, 0.3)]],
    "w": [[(0, 0), (0.22, 0.9), (0.5, 0.2), (0.75, 0.9), (1, 0)]],
    "y": [[(0.1, 0), (0.45, 0.55)], [(0.85, 0), (0.3, 1)]],
}  # fmt: skip


def star(points: int, inner: float) -> Stroke:
    radii = [0.5 if number % 2 == 0 else inner for number in range(2 * points + 1)]
    return [
        (0.5 + radius * math.sin(math.pi * number / points), 0.5 - radius * math.cos(math.pi * number / points))
        for number, radius in enumerate(radii)
    ]


SHAPES: dict[str, list[Stroke]] = {
    "heart": [[(0.5, 1), (0.08, 0.45), *arc(0.27, 0.25, 0.25, 0.25, 150, 350), *arc(0.73, 0.25, 0.25, 0.25, 190, 390), (0.5, 1)]],
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
    "spiral": [[(0.5 + r * math.cos(13 * r * 2), 0.5 + r * math.sin(13 * r * 2)) for r in np.linspace(0, 0.5, 40).tolist()]],
    "crescent": [[*arc(0.5, 0.5, 0.45, 0.5, -60, -300), *arc(0.75, 0.5, 0.5, 0.45, 120, 240)]],
    "lightning": [[(0.6, 0), (0.2, 0.55), (0.6, 0.5), (0.3, 1)]],
    "wave": [[(x, 0.5 + 0.2 * math.sin(12 * x)) for x in np.linspace(0, 1, 25).tolist()]],
    "hash": [[(0.33, 0), (0.3, 1)], [(0.7, 0), (0.67, 1)], [(0, 0.33), (1, 0.33)], [(0, 0.67), (1, 0.67)]],
    "question mark": [[*arc(0.5, 0.28, 0.3, 0.28, -170, 60), (0.5, 0.75)], [(0.5, 0.97), (0.5, 1)]],
    "infinity": [[(0.5 + 0.5 * math.cos(t), 0.5 + 0.35 * math.sin(2 * t)) for t in np.linspace(0, 2 * math.pi, 33).tolist()]],
    "tree": [[(0.5, 1), (0.5, 0.6)], [arc(0.5, 0.3, 0.35, 0.3, 0, 360)][0]],
    "stick figure": [arc(0.5, 0.15, 0.15, 0.15, 0, 360), [(0.5, 0.3), (0.5, 0.65)], [(0.15, 0.45), (0.85, 0.45)],
                     [(0.2, 1), (0.5, 0.65), (0.8, 1)]],
}  # fmt: skip

FACE = [
    arc(0.5, 0.5, 0.5, 0.5, 0, 360),
    [(0.32, 0.35), (0.33, 0.36)],
    [(0.68, 0.35), (0.67, 0.36)],
]
FACES: dict[str, list[Stroke]] = {
    "smiling": [*FACE, arc(0.5, 0.55, 0.28, 0.22, 20, 160)],
    "sad": [*FACE, arc(0.5, 0.85, 0.25, 0.2, 200, 340)],
    "straight": [*FACE, [(0.3, 0.72), (0.7, 0.72)], [(0.5, 0.45), (0.48, 0.58)]],
    "without a circle": [*FACE[1:], arc(0.5, 0.55, 0.28, 0.22, 20, 160), [(0.5, 0.42), (0.5, 0.56)]],
}


def draw(strokes: list[Stroke], rng: np.random.Generator, shake: float = 1.0) -> ByteArray:
    """Return strokes in a box of 1 x 1 as an image (28, 28), drawn by a hand that slants, stretches and shakes them."""
    turn, slant, stretch = shake * rng.uniform((-0.15, -0.2, 0.75), (0.15, 0.2, 1.2)) + (0, 0, 1 - shake)
    side, pen = rng.uniform(120, 240), rng.uniform(10, 24)
    fields = shake * rng.normal(0, 0.03, (2, 2, 2))
    cos, sin = math.cos(turn), math.sin(turn)

    def moved(points: Stroke) -> list[tuple[float, float]]:
        x, y = (np.array(points) - 0.5).T
        x, y = (
            axis
            + sum(
                field[k, 0] * np.sin(math.pi * (k + 1) * x) + field[k, 1] * np.sin(math.pi * (k + 1) * y)
                for k in range(2)
            )
            for axis, field in zip((x, y), fields, strict=True)
        )
        x, y = stretch * x - slant * y, y
        x, y = cos * x - sin * y, sin * x + cos * y
        return list(zip((SHEET / 2 + side * x).tolist(), (SHEET / 2 + side * y).tolist(), strict=True))

    return place_digit(ink([moved(stroke) for stroke in strokes], pen))


def ink(strokes: list[list[tuple[float, float]]], pen: float) -> FloatArray:
    """Return the ink of strokes in pixels of the sheet, (SHEET, SHEET), 0 to 1."""
    picture = Image.new("L", (2 * SHEET, 2 * SHEET))
    on = ImageDraw.Draw(picture)
    for stroke in strokes:
        points = [(2 * x, 2 * y) for x, y in stroke]
        on.line(points, 255, round(2 * pen))
        for x, y in points:
            on.ellipse((x - pen, y - pen, x + pen, y + pen), 255)
    return np.asarray(picture.reduce(2), np.float64) / 255


def scribble(rng: np.random.Generator) -> ByteArray:
    """Return a wild line: a walk whose direction changes at random."""
    count, angle = rng.integers(40, 160), rng.uniform(0, 2 * math.pi)
    bend = np.cumsum(rng.normal(0, rng.uniform(0.1, 0.5), count)) * 0.3 + rng.normal(0, 0.5, count)
    angles = angle + np.cumsum(bend)
    x, y = np.cumsum(np.cos(angles)), np.cumsum(np.sin(angles))
    size = max(np.ptp(x), np.ptp(y))
    x, y = (x - x.min()) / size * 200 + 40, (y - y.min()) / size * 200 + 40
    return place_digit(ink([list(zip(x.tolist(), y.tolist(), strict=True))], rng.uniform(10, 20)))


def zigzag(rng: np.random.Generator) -> ByteArray:
    """Return a line to and fro across the sheet, as people cross something out."""
    turns = rng.integers(5, 12)
    x = np.where(np.arange(turns) % 2, 0.9, 0.1) + rng.normal(0, 0.08, turns)
    y = np.linspace(0, 1, turns) + rng.normal(0, 0.04, turns)
    return draw([list(zip(x.tolist(), y.tolist(), strict=True))], rng)


def glyph(text: str, font: ImageFont.FreeTypeFont) -> ByteArray:
    picture = Image.new("L", (100 + 200 * len(text), 400))
    ImageDraw.Draw(picture).text((50, 50), text, 255, font)
    return place_digit(np.asarray(picture, np.float64) / 255)


def fonts() -> list[ImageFont.FreeTypeFont]:
    """Return the fonts of this machine that have letters, and Pillow's own."""
    found = [ImageFont.truetype(path, 200) for path in sorted(FONTS.rglob("*.ttf")) if "Math" not in path.name]
    return [*found, ImageFont.load_default(200)]
