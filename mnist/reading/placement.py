"""Turns the ink of a digit into 28 x 28 pixels, as MNIST's makers did: thin thick strokes, scale, centre."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mnist.errors import MnistError

ByteArray: TypeAlias = NDArray[np.uint8]
FloatArray: TypeAlias = NDArray[np.float64]

SIDE = 28
_BOX = 20
_CENTRE = 14  # MNIST's digits have their centre of mass within half a pixel of row 14, column 14

# The widest strokes that are not thinned, in pixels of the box: nine in ten of MNIST's digits have no wider strokes.
_WIDEST = 3.5
# Thinning uses a finer box, with this many pixels along each side of a pixel.
_FINE = 5


class NoDigitError(MnistError):
    """A picture holds no digit."""


def place_digit(ink: FloatArray) -> ByteArray:
    """Scale a digit into a box of 20 x 20, and put its centre of mass in the middle of 28 x 28.

    LeCun, Cortes and Burges did the same: they kept the aspect ratio and the grey levels that result from scaling, and
    moved the digit by whole pixels. The strongest ink becomes 255, because MNIST's ink was black before it was scaled.
    Strokes that are far thicker than MNIST's, as in a small drawing with an ordinary pen, are thinned first.

    Takes ink as `find_ink` returns it; raises NoDigitError if none of it is 0.5 or more. Returns pixels 0..255.
    """
    small = _scale(thin_strokes(_crop(ink)), _BOX)
    height, width = small.shape
    digit = np.zeros((SIDE, SIDE), np.uint8)
    top, left = _corner(small.sum(axis=1)), _corner(small.sum(axis=0))
    digit[top : top + height, left : left + width] = 255 * small / small.max() + 0.5
    return digit


def thin_strokes(box: FloatArray) -> FloatArray:
    """Return a digit that fills its box, with strokes no thicker than those of nine in ten of MNIST's.

    Grey erosion by a cross repeatedly removes a pixel of a finer box from each edge, which also opens the loops of a
    digit. A box with thin strokes, the usual case, is returned unchanged.
    """
    fine = _scale(box, _BOX * _FINE)
    if stroke_width(fine) <= _WIDEST * _FINE:
        return box
    while stroke_width(fine) > _WIDEST * _FINE:
        around = np.pad(fine, 1)
        neighbours = around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]
        fine = np.minimum.reduce([fine, *neighbours])
    return _crop(fine)


def stroke_width(ink: FloatArray) -> float:
    """Return the mean width of strokes, in pixels: twice their area divided by the length of their outline.

    The length is pi / 4 times the steps along all rows and columns (Cauchy-Crofton formula for two directions).
    """
    around = np.pad(ink, 1)
    steps = sum(np.abs(np.diff(around, axis=axis)).sum() for axis in (0, 1))
    return float(2 * ink.sum() / (np.pi / 4 * steps))


def _crop(ink: FloatArray) -> FloatArray:
    """Return the smallest box around all ink of 0.5 or more; raises NoDigitError if there is none."""
    inked = ink >= 0.5
    if not inked.any():
        raise NoDigitError("there is no ink in it")
    rows, columns = (np.flatnonzero(inked.any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _scale(box: FloatArray, longer: int) -> FloatArray:
    """Scale a box until its longer side has `longer` pixels; keep the aspect ratio."""
    scale = max(box.shape) / longer
    height, width = (max(1, int(length / scale + 0.5)) for length in box.shape)
    return _averages(box.shape[0], height) @ box @ _averages(box.shape[1], width).T


def _averages(length: int, new: int) -> FloatArray:
    """Return the matrix (new, length) that scales a column of pixels: each new pixel is the mean under a window.

    The window is as wide as a new pixel, but at least as wide as an old one, so that enlarging interpolates linearly.
    """
    width = max(1.0, length / new)
    first = (np.arange(new)[:, None] + 0.5) * length / new - width / 2
    pixel = np.arange(length)
    overlap = np.minimum(first + width, pixel + 1) - np.maximum(first, pixel)
    averages: FloatArray = np.maximum(overlap, 0) / width
    return averages


def _corner(mass: FloatArray) -> int:
    """Return the first row or column of a digit that centres its mass; `mass` holds the mass of each row or column."""
    centre = mass @ np.arange(len(mass)) / mass.sum()
    return int(np.clip(np.floor(_CENTRE - centre + 0.5), 0, SIDE - len(mass)))
