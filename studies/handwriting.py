"""Handwritten digits for tests and studies: pen strokes in several hands, slants and sizes."""

import itertools
import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Point: TypeAlias = tuple[float, float]
Stroke: TypeAlias = list[Point]


def arc(centre: Point, radii: Point, start: float, end: float) -> Stroke:
    """Return points of an ellipse; angles are in degrees, 0 to the right, 90 down, as y points down on a screen."""
    (x, y), (rx, ry) = centre, radii
    angles = [math.radians(start + (end - start) * step / 12) for step in range(13)]
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


# Each digit in a box of 1 x 1 with the upper left corner (0, 0), as written by three hands.
HANDS: dict[int, list[list[Stroke]]] = {
    0: [
        [arc((0.5, 0.5), (0.32, 0.5), -90, 270)],
        [arc((0.5, 0.5), (0.42, 0.48), -60, -420)],
        [arc((0.5, 0.5), (0.25, 0.5), -90, -440)],
    ],
    1: [
        [[(0.5, 0.0), (0.5, 1.0)]],
        [[(0.3, 0.22), (0.52, 0.0), (0.52, 1.0)]],
        [[(0.6, 0.0), (0.42, 1.0)]],
    ],
    2: [
        [[*arc((0.5, 0.28), (0.3, 0.28), -170, 40), (0.2, 1.0), (0.85, 1.0)]],
        [
            [
                *arc((0.48, 0.3), (0.32, 0.3), -150, 50),
                (0.15, 0.92),
                *arc((0.2, 0.88), (0.08, 0.08), 90, 270),
                (0.9, 0.95),
            ]
        ],
        [[*arc((0.45, 0.25), (0.35, 0.25), -180, 60), (0.12, 0.98), (0.8, 0.96)]],
    ],
    3: [
        [[*arc((0.45, 0.26), (0.3, 0.26), -160, 90), *arc((0.45, 0.75), (0.35, 0.25), -90, 160)]],
        [[*arc((0.42, 0.25), (0.28, 0.25), -140, 80), *arc((0.4, 0.74), (0.38, 0.26), -80, 150)]],
        [[(0.15, 0.03), (0.75, 0.03), (0.42, 0.4), *arc((0.42, 0.7), (0.34, 0.3), -90, 150)]],
    ],
    4: [
        [[(0.2, 0.0), (0.15, 0.55), (0.85, 0.55)], [(0.65, 0.0), (0.65, 1.0)]],
        [[(0.25, 0.05), (0.12, 0.5), (0.8, 0.48)], [(0.72, 0.02), (0.6, 1.0)]],
        [[(0.18, 0.0), (0.2, 0.35), (0.35, 0.48), (0.7, 0.45)], [(0.72, 0.0), (0.7, 1.0)]],
    ],
    5: [
        [[(0.25, 0.0), (0.22, 0.45), *arc((0.45, 0.7), (0.33, 0.3), -130, 150)], [(0.25, 0.0), (0.8, 0.0)]],
        [[(0.8, 0.02), (0.28, 0.02), (0.22, 0.46), *arc((0.42, 0.7), (0.36, 0.28), -120, 140)]],
        [[(0.3, 0.05), (0.25, 0.42), *arc((0.4, 0.68), (0.32, 0.3), -110, 130)], [(0.3, 0.04), (0.75, 0.0)]],
    ],
    6: [
        [[(0.65, 0.0), (0.35, 0.35), *arc((0.5, 0.72), (0.28, 0.28), 180, -180)]],
        [[*arc((0.7, 0.6), (0.5, 0.6), -100, -180), *arc((0.48, 0.72), (0.28, 0.27), 180, -170)]],
        [[(0.5, 0.0), (0.28, 0.5), *arc((0.5, 0.75), (0.25, 0.24), 180, -200)]],
    ],
    7: [
        [[(0.15, 0.0), (0.85, 0.0), (0.4, 1.0)]],
        [[(0.15, 0.08), (0.18, 0.02), (0.8, 0.04), (0.5, 0.5), (0.42, 1.0)]],
        [[(0.15, 0.02), (0.85, 0.02), (0.45, 1.0)], [(0.38, 0.5), (0.82, 0.48)]],
    ],
    8: [
        [[*arc((0.5, 0.25), (0.26, 0.25), 90, 450), *arc((0.5, 0.75), (0.32, 0.25), -90, 270)]],
        [
            [
                (0.75, 0.12),
                *arc((0.5, 0.22), (0.24, 0.22), -40, -220),
                (0.5, 0.48),
                *arc((0.48, 0.75), (0.28, 0.25), -30, 210),
                (0.5, 0.48),
                (0.76, 0.14),
            ]
        ],
        [[*arc((0.5, 0.24), (0.22, 0.24), 90, 450), *arc((0.5, 0.74), (0.25, 0.26), -90, 270)]],
    ],
    9: [
        [[*arc((0.48, 0.28), (0.3, 0.28), 0, -360), (0.75, 1.0)]],
        [[*arc((0.45, 0.27), (0.3, 0.27), -10, -350), (0.75, 0.28), (0.7, 0.7), (0.58, 1.0)]],
        [[*arc((0.5, 0.25), (0.26, 0.25), -20, -370), *arc((0.3, 0.6), (0.46, 0.4), -40, 80)]],
    ],
}


class Written(NamedTuple):
    """A written digit: its strokes on a sheet of 1 x 1, and the width of the pen."""

    digit: int
    strokes: list[Stroke]
    pen: float
    style: str


# Height on the sheet, width / height, slant, position of the centre. The last style is small, in a corner.
STYLES = {
    "upright": (0.62, 0.72, 0.0, (0.5, 0.5)),
    "slanted": (0.55, 0.66, 0.22, (0.45, 0.52)),
    "wide": (0.5, 0.85, 0.05, (0.55, 0.45)),
    "leaning back": (0.68, 0.62, -0.1, (0.5, 0.5)),
    "small": (0.36, 0.72, 0.08, (0.28, 0.3)),
}


def written(pen: float) -> list[Written]:
    """Return all digits in all hands and styles: 150 of them."""
    sheets = []
    for (digit, hands), (style, (height, breadth, slant, (x0, y0))) in itertools.product(HANDS.items(), STYLES.items()):
        for number, hand in enumerate(hands):
            strokes = [
                [(x0 + height * (breadth * (x - 0.5) + slant * (0.5 - y)), y0 + height * (y - 0.5)) for x, y in stroke]
                for stroke in hand
            ]
            sheets.append(Written(digit, strokes, pen, f"{digit}, hand {number + 1}, {style}"))
    return sheets


def ink_of(sheet: Written, side: int) -> NDArray[np.float64]:
    """Return the ink on a sheet of `side` x `side` pixels, as `draw_strokes` does."""
    return draw_strokes(sheet.strokes, sheet.pen, side)


def draw_strokes(strokes: list[Stroke], pen: float, side: int) -> NDArray[np.float64]:
    """Return the ink of strokes on a sheet of 1 x 1, (side, side): 0 paper to 1 ink."""
    fine = 4 * side
    picture = Image.new("L", (fine, fine))
    draw, radius = ImageDraw.Draw(picture), pen * fine / 2
    for stroke in strokes:
        points = [(x * fine, y * fine) for x, y in stroke]
        draw.line(points, 255, round(2 * radius))
        for x, y in points:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), 255)
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX)) / 255
