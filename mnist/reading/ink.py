"""From the picture of one digit to 28 x 28 pixels as MNIST's makers made them: find the ink, scale it, centre it."""

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mnist.errors import MnistError
from mnist.reading.pieces import BoolArray, FloatArray, IntArray, label_pieces, spread

ByteArray: TypeAlias = NDArray[np.uint8]

SIDE = 28
_BOX = 20
_CENTRE = 14  # MNIST's digits have their centre of mass within half a pixel of row 14, column 14

# What counts as ink: so many times the noise of the paper away from it, and so much of the way from black to white.
_NOISES = 5.0
_CONTRAST = 0.08
# Ink smaller than this part of the largest connected piece is dirt, and a digit has at least so many pixels' height
# (two of which are made by smoothing).
_DIRT = 0.05
_SMALLEST = 8
_WIDEST = 0.3
_STROKE = 0.2
_LONG = 0.6
_STEEPEST = 0.27
_ENOUGH = 170


class NoDigitError(MnistError):
    """A picture in which there is nothing to read."""


def read_digit(grey: FloatArray) -> ByteArray:
    """Return the digit of a picture as the network wants it, (28, 28), pixels 0..255, the ink bright as in MNIST.

    Takes the brightness (height, width), 0 black to 1 white, of dark ink on light paper or of light ink on dark.
    Raises NoDigitError where there is no ink that could be a digit.
    """
    return place_digit(find_ink(grey))


def place_digit(ink: FloatArray) -> ByteArray:
    """Scale a digit into a box of 20 x 20, and put its centre of mass in the middle of 28 x 28.

    LeCun, Cortes and Burges did the same: they kept the aspect ratio and the grey levels that scaling makes, and moved
    the digit by whole pixels. The strongest ink becomes 255, which MNIST's ink was before they scaled it.

    Takes ink as `find_ink` returns it; raises NoDigitError where none of it is 0.5 or more. Returns pixels 0..255.
    """
    inked = ink >= 0.5
    if not inked.any():
        raise NoDigitError("there is no ink in it")
    rows, columns = (np.flatnonzero(inked.any(axis=axis)) for axis in (1, 0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = max(box.shape) / _BOX
    height, width = (max(1, int(length / scale + 0.5)) for length in box.shape)
    small = _averages(box.shape[0], height) @ box @ _averages(box.shape[1], width).T
    digit = np.zeros((SIDE, SIDE), np.uint8)
    top, left = _corner(small.sum(axis=1)), _corner(small.sum(axis=0))
    digit[top : top + height, left : left + width] = 255 * small / small.max() + 0.5
    return digit


def _averages(length: int, new: int) -> FloatArray:
    """Return the matrix (new, length) that scales a column of pixels: each new one is the mean under a window.

    The window is as wide as a new pixel, but no narrower than an old one, so that enlarging interpolates linearly.
    """
    width = max(1.0, length / new)
    first = (np.arange(new)[:, None] + 0.5) * length / new - width / 2
    pixel = np.arange(length)
    overlap = np.minimum(first + width, pixel + 1) - np.maximum(first, pixel)
    averages: FloatArray = np.maximum(overlap, 0) / width
    return averages


def _corner(mass: FloatArray) -> int:
    """Return where a digit begins so that its centre of mass is in the middle; `mass` is that of each row or column."""
    centre = mass @ np.arange(len(mass)) / mass.sum()
    return int(np.clip(np.floor(_CENTRE - centre + 0.5), 0, SIDE - len(mass)))


def find_ink(grey: FloatArray) -> FloatArray:
    """Separate ink from paper: ink is thin, and darker than the paper beside it, or lighter.

    Uneven light, shadows, the table beside the sheet, ruled lines, the grain of the paper and dirt are left out.

    Takes the brightness (height, width), 0 black to 1 white. Returns the same shape: 0 where there is paper, 1 where
    there is ink, between the two at the edge of a stroke. Raises NoDigitError where no ink could be a digit.
    """
    dark = grey if _is_dark(grey) else 1 - grey
    contrast = _contrast(dark)
    # Smoothing makes grain fainter than a stroke; the result is taken from the sharp picture.
    smooth = _windows(contrast, 1).mean(axis=(2, 3))
    # Most of a picture is paper, and its grain makes the lower half of the distribution.
    low, paper = np.quantile(smooth, [0.05, 0.3])
    contrast, smooth = contrast - paper, smooth - paper
    least = max(_NOISES * (paper - low) / 1.12, _CONTRAST)
    digit, lines = _digit(smooth, least), _lines(smooth)
    if (lines > least).any(where=_border(lines)):
        unruled = _digit(_bridge(np.maximum(smooth - lines, 0), lines), least)
        # A long stroke is a line as well.
        if digit[_border(digit)].any() or smooth[unruled].sum() >= 0.6 * smooth[digit].sum():
            digit = unruled
    if not digit.any():
        raise NoDigitError("there is no digit in it: nothing stands out from the paper")
    labels = label_pieces(digit)
    if max(_box(labels == np.bincount(labels[digit]).argmax())) < _SMALLEST:
        raise NoDigitError("there is no digit in it: all that stands out is too small")
    levels = np.clip(contrast / np.median(contrast[digit]), 0, 1)
    return np.where(spread(digit, 2), levels, 0)


def _is_dark(grey: FloatArray) -> bool:
    """Return whether the ink is darker than the paper: paper is the local median, and ink lies far to one side."""
    small = _blocks(grey, max(1, min(grey.shape) // 28)).mean(axis=(1, 3))
    wide, narrow = (max(3, int(share * min(small.shape))) for share in (_WIDEST, _STROKE))
    above = small - np.median(_windows(small, wide // 2), axis=(2, 3))
    dark, light = _close(small, narrow, narrow) - small, small + _close(-small, narrow, narrow)
    # Squares of lighter paper between lines are at the median, and corners of a sheet on a table are wide.
    return float((np.minimum(dark, -above).clip(0) ** 3).sum()) >= float((np.minimum(light, above).clip(0) ** 3).sum())


def _contrast(grey: FloatArray) -> FloatArray:
    """Return how much darker each pixel is than the paper around it, relative to the paper.

    The paper is the closing of the picture (Serra, 1982): it keeps the edges of shadows and tables, and nothing dark
    that is narrower than the window. The median takes off what grain adds to it.
    """
    size = max(3, int(_WIDEST * min(grey.shape)))
    paper = _windows(grey, 1).mean(axis=(2, 3))
    paper = _close(paper, size, size)
    contrast: FloatArray = (paper - grey) / np.maximum(paper, 0.2)
    return contrast


def _close(values: FloatArray, height: int, width: int) -> FloatArray:
    """Return the closing by a window of this size; beyond the border the picture repeats itself."""
    values = np.pad(values, ((height - 1, height - 1), (width - 1, width - 1)), mode="edge")
    for extreme in (np.maximum, np.minimum):
        values = _running(extreme, _running(extreme, values, width).T, height).T
    return values


def _running(extreme: np.ufunc, values: NDArray[Any], size: int, slope: float = 0) -> NDArray[Any]:
    """Return the extreme of `size` pixels along a line from each pixel to the right; size - 1 columns fewer.

    The line falls by `slope` rows a column. Each pass doubles the length, as van Herk's and Gil's methods do not need.
    """
    length = 1
    while length < size:
        step = min(length, size - length)
        values = extreme(values[:, :-step], np.roll(values, -round(slope * step), axis=0)[:, step:])
        length += step
    return values


def _lines(contrast: FloatArray) -> FloatArray:
    """Return the contrast of ruled lines: the opening of the picture by long straight lines of several slopes."""
    step = math.ceil(max(contrast.shape) / _ENOUGH)
    levels = np.uint8(255 * _blocks(contrast, step).max(axis=(1, 3)).clip(0, 1))
    found = np.zeros_like(levels)
    for turned, result in ((levels, found), (levels.T, found.T)):
        margin, length = turned.shape[1] // 3, max(1, int(_LONG * turned.shape[1]))
        # A line may be a pixel beside the one that is tried.
        thick = _running(np.maximum, np.pad(turned, ((margin + 1, margin + 1), (0, 0)), mode="edge").T, 3).T
        steepest = int(_STEEPEST * length / 2)
        for slope in np.linspace(-_STEEPEST, _STEEPEST, 2 * steepest + 1):
            runs = np.pad(_running(np.minimum, thick, length, slope), ((0, 0), (length - 1, length - 1)))
            opened = _running(np.maximum, runs[::-1, ::-1], length, slope)[::-1, ::-1]
            np.maximum(result, opened[margin : len(opened) - margin], out=result)
    large = found.repeat(step, axis=0).repeat(step, axis=1)
    return large[: contrast.shape[0], : contrast.shape[1]] / 255


def _bridge(drawn: FloatArray, lines: FloatArray) -> FloatArray:
    """Return the ink with the gaps closed that lines have left in strokes."""
    closed = np.maximum(_close(drawn, 7, 1), _close(drawn, 1, 7))
    return np.where(lines > _CONTRAST / 2, closed, drawn)


def _digit(contrast: FloatArray, least: float) -> BoolArray:
    """Return where the digit is: what stands out strongly, with as much of its faint parts as do not reach far."""
    standing_out = contrast[contrast > least]
    digit = np.zeros_like(contrast, dtype=bool)
    if not standing_out.size:
        return digit
    level = np.quantile(standing_out, 0.97)
    for share in (0.5, 0.4, 0.3, 0.2):
        grown = _without_dirt(contrast >= max(least, share * level))
        if digit.any() and (_box(grown) > 1.15 * _box(digit) + 2).any():
            break
        digit = grown
    return digit


def _box(mask: BoolArray) -> IntArray:
    """Return the height and the width of the box around a mask that is not empty."""
    return np.array([np.ptp(np.flatnonzero(mask.any(axis=axis))) + 1 for axis in (1, 0)])


def _border(values: NDArray[Any]) -> BoolArray:
    """Return where the outermost pixels are."""
    border = np.ones(values.shape, dtype=bool)
    border[1:-1, 1:-1] = False
    return border


def _without_dirt(mask: BoolArray) -> BoolArray:
    """Return the large pieces of a mask and, where several are left, only those that do not touch the border."""
    labels = label_pieces(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    large = sizes >= _DIRT * sizes.max()
    inside = large.copy()
    inside[labels[_border(labels)]] = False
    kept: BoolArray = (inside if inside.any() else large)[labels] & mask
    return kept


def _windows(values: NDArray[Any], reach: int) -> NDArray[Any]:
    """Return the pixels around each pixel, (height, width, window, window); beyond the border it repeats itself."""
    size = 2 * reach + 1
    return sliding_window_view(np.pad(values, reach, mode="edge"), (size, size))


def _blocks(values: FloatArray, step: int) -> FloatArray:
    """Return the picture in squares of `step` x `step` pixels, (rows, step, columns, step); the last ones repeat."""
    height, width = (math.ceil(length / step) for length in values.shape)
    padding = [(0, height * step - values.shape[0]), (0, width * step - values.shape[1])]
    return np.pad(values, padding, mode="edge").reshape(height, step, width, step)
