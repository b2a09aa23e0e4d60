"""Paper: how much darker ink is than the paper around it, whatever falls on the paper, and the lines printed on it.

Morphology on grey levels does both (Serra, 1982): the closing of a picture is its paper without ink, and the opening
along straight lines is what is ruled.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist.reading.pieces import FloatArray, border

# Wider than any stroke, as a share of the shorter side of a picture.
_WIDEST = 0.4
# Less than the share of ink in a picture.
_FEW = 0.003
# Paper darker than this is taken for as dark: the grain of black paper is no ink.
_BLACK = 0.2
# So much of the border of a drawing that is cut at its ink is paper.
_PLAIN = (0.35, 0.98)
# Its paper is no further from the darkest or the brightest parts, as a share of their difference.
_EXTREME = 0.1
# A line is straight for so much of the picture, and rises or falls by at most so many rows a column.
_LONG = 0.6
_STEEPEST = 0.27
# A line is thinner than this part of the picture.
_THICKEST = 0.06
# Lines are found in so many pixels a side.
_ENOUGH = 100


def measure_contrast(grey: FloatArray) -> FloatArray:
    """Return how much darker each pixel is than the paper, as a part of the paper's brightness; or how much lighter.

    The paper is the closing of the picture. It keeps the edges of shadows and tables, and nothing dark that is narrower
    than its window.

    Takes the brightness (height, width), 0 black to 1 white. Returns the same shape, about 0 where there is paper.
    """
    dark = grey if _is_dark(grey) else 1 - grey
    size = max(3, int(_WIDEST * max(grey.shape)))
    smoothed = smooth(dark)
    # Ink that is cut at the border would go on beyond it.
    for edge in (smoothed[:1], smoothed[-1:], smoothed[:, :1].T, smoothed[:, -1:].T):
        edge[:] = _close(edge, 1, size)
    paper = _close(smoothed, size, size)
    contrast: FloatArray = (paper - dark) / np.maximum(paper, _BLACK)
    return contrast


def _is_dark(grey: FloatArray) -> bool:
    """Return whether ink is dark: the darkest parts are further from most of the paper than the brightest ones.

    Parts of the brightness are compared, so that a shadow over most of the picture does not make light paper ink; each
    is the mean of many pixels, which leaves out grain. A drawing that is cut at its ink may have more ink than paper;
    then most of its border has the one colour of its paper, which nothing exceeds, and some has ink.
    """
    small = _blocks(grey, max(1, min(grey.shape) // 28)).mean(axis=(1, 3))
    darkest, paper, brightest = np.quantile(small, [_FEW, 0.5, 1 - _FEW])
    levels, counts = np.unique(np.round(255 * border(grey)), return_counts=True)
    plain = levels[counts.argmax()] / 255
    from_extremes = min(plain - darkest, brightest - plain) / (brightest - darkest or 1)
    if _PLAIN[0] < counts.max() / counts.sum() < _PLAIN[1] and from_extremes < _EXTREME:
        paper = plain
    return bool((paper - darkest) / max(paper, _BLACK) >= (brightest - paper) / max(brightest, _BLACK))


def find_lines(contrast: FloatArray) -> FloatArray:
    """Return how much of the contrast ruled lines make, (height, width); 0 beside them, and where strokes cross them.

    A line is long and straight, so that an opening along it keeps it, and thin, so that one across it does not.
    """
    size = max(3, int(_THICKEST * max(contrast.shape)))
    down, right = (contrast + _close(-contrast, *window) for window in ((size, 1), (1, size)))
    return np.maximum(np.minimum(_straight(contrast), down), np.minimum(_straight(contrast.T).T, right))


def _straight(contrast: FloatArray) -> FloatArray:
    """Return the largest opening along long lines of several slopes, from left to right."""
    step = math.ceil(max(contrast.shape) / _ENOUGH)
    levels = (255 * _blocks(contrast, step).max(axis=(1, 3)).clip(0, 1)).astype(np.uint8)
    margin, length = levels.shape[1] // 3, max(1, int(_LONG * levels.shape[1]))
    # A line may be a pixel beside the one that is tried.
    thick = _running(np.maximum, np.pad(levels, ((margin + 1, margin + 1), (0, 0)), mode="edge").T, 3).T
    steepest, found = int(_STEEPEST * length / 2), np.zeros_like(levels)
    for slope in np.linspace(-_STEEPEST, _STEEPEST, 2 * steepest + 1):
        runs = np.pad(_running(np.minimum, thick, length, slope), ((0, 0), (length - 1, length - 1)))
        opened = _running(np.maximum, runs[::-1, ::-1], length, slope)[::-1, ::-1]
        np.maximum(found, opened[margin : len(opened) - margin], out=found)
    large = found.repeat(step, axis=0).repeat(step, axis=1)
    return np.asarray(large[: contrast.shape[0], : contrast.shape[1]] / 255)


def _close(values: FloatArray, height: int, width: int) -> FloatArray:
    """Return the closing by a window of this size; beyond the border the picture repeats itself."""
    values = np.pad(values, ((height - 1, height - 1), (width - 1, width - 1)), mode="edge")
    for extreme in (np.maximum, np.minimum):
        values = _running(extreme, _running(extreme, values, width).T, height).T
    return values


def _running(extreme: np.ufunc, values: NDArray[Any], size: int, slope: float = 0) -> NDArray[Any]:
    """Return the extreme of `size` pixels along a line from each pixel to the right; size - 1 columns fewer.

    The line falls by `slope` rows a column. Each pass doubles its length.
    """
    length = 1
    while length < size:
        step = min(length, size - length)
        fall = round(slope * step)
        lower = np.roll(values, -fall, axis=0) if fall else values
        values = extreme(values[:, :-step], lower[:, step:])
        length += step
    return values


def smooth(values: FloatArray) -> FloatArray:
    """Return the mean of the 3 x 3 pixels around each pixel; beyond the border the picture repeats itself."""
    padded = np.pad(values, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9


def _blocks(values: FloatArray, step: int) -> FloatArray:
    """Return the picture in squares of `step` x `step` pixels, (rows, step, columns, step); the last ones repeat."""
    height, width = (math.ceil(length / step) for length in values.shape)
    padding = [(0, height * step - values.shape[0]), (0, width * step - values.shape[1])]
    return np.pad(values, padding, mode="edge").reshape(height, step, width, step)
