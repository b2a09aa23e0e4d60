"""From the picture of one digit to 28 x 28 pixels as MNIST's makers made them: find the ink, scale it, centre it."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mnist.errors import MnistError
from mnist.reading.paper import find_lines, measure_contrast, windows
from mnist.reading.pieces import BoolArray, FloatArray, IntArray, label_pieces, spread

ByteArray: TypeAlias = NDArray[np.uint8]

SIDE = 28
_BOX = 20
_CENTRE = 14  # MNIST's digits have their centre of mass within half a pixel of row 14, column 14

# What counts as ink: so many times the noise of the paper away from it, and so much darker than the paper.
_NOISES = 5.0
_CONTRAST = 0.08
# Ink smaller than this part of the largest connected piece is dirt, and a digit has at least so many pixels' height
# (two of which are made by smoothing).
_DIRT = 0.05
_SMALLEST = 8
# Ink is at least so much of the darkest, and less as long as the digit grows by no more than this factor.
_DARK = 0.5
_FAINT = (0.4, 0.3, 0.2)
_GROWTH = 1.15
# So much of a digit is left where lines are removed from under it.
_LEFT = 0.6


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
    contrast = measure_contrast(grey)
    # Smoothing makes grain fainter than a stroke; the result is taken from the sharp picture.
    smooth = windows(contrast, 1).mean(axis=(2, 3))
    # Most of a picture is paper, and its grain makes the lower part of the distribution: where that is normal, 1.12
    # deviations lie between these quantiles. In a picture that is all edges, grain is what smoothing takes away.
    low, paper = np.quantile(smooth, [0.05, 0.3])
    noise = min((paper - low) / 1.12, float(np.median(np.abs(contrast - smooth))))
    contrast, smooth = contrast - paper, smooth - paper
    least = max(_NOISES * noise, _CONTRAST)
    digit = _digit(smooth, least)
    # Lines reach the border; strokes that are as long do not.
    if _reaches_border(smooth > least) and _reaches_border((lines := find_lines(smooth)) > least):
        unruled = _digit(smooth - lines, least)
        # A long stroke is a line as well, and most of the digit is lost where it is taken for one.
        if _reaches_border(digit) or smooth[unruled].sum() >= _LEFT * smooth[digit].sum():
            digit = unruled if unruled.any() else digit
    if not digit.any():
        raise NoDigitError("there is no digit in it: nothing stands out from the paper")
    labels = label_pieces(digit)
    if max(_box(labels == np.bincount(labels[digit]).argmax())) < _SMALLEST:
        raise NoDigitError("there is no digit in it: all that stands out is too small")
    levels = np.clip(contrast / np.median(contrast[digit]), 0, 1)
    return np.where(spread(digit, 2), levels, 0)


def _digit(contrast: FloatArray, least: float) -> BoolArray:
    """Return where the digit is: what stands out strongly, with as much of its faint parts as do not reach far."""
    standing_out = contrast[contrast > least]
    if not standing_out.size:
        return np.zeros_like(contrast, dtype=bool)
    level = np.quantile(standing_out, 0.97)
    digit = _without_dirt(contrast >= max(least, _DARK * level))
    for share in _FAINT:
        grown = _without_dirt(contrast >= max(least, share * level))
        if (_box(grown) > _GROWTH * _box(digit) + 2).any():
            break
        digit = grown
    return digit


def _box(mask: BoolArray) -> IntArray:
    """Return the height and the width of the box around a mask that is not empty."""
    return np.array([np.ptp(np.flatnonzero(mask.any(axis=axis))) + 1 for axis in (1, 0)])


def _reaches_border(mask: BoolArray) -> bool:
    return bool(np.concatenate(_border(mask)).any())


def _border(values: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the outermost rows and columns."""
    return [values[0], values[-1], values[:, 0], values[:, -1]]


def _without_dirt(mask: BoolArray) -> BoolArray:
    """Return the large pieces of a mask and, where several are left, only those that do not touch the border."""
    labels = label_pieces(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    large = sizes >= _DIRT * sizes.max()
    inside = large.copy()
    inside[np.concatenate(_border(labels))] = False
    digit: BoolArray = inside[labels]
    # Where the digit itself reaches the border, there may be bits of it inside.
    return digit if digit.any() and max(_box(digit)) >= _SMALLEST else large[labels]
