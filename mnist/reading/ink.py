"""From the picture of one digit to 28 x 28 pixels as MNIST's makers made them: find the ink, scale it, centre it."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist.arrays import ByteArray, FloatArray
from mnist.dataset import SIDE
from mnist.errors import MnistError

_BOX = 20
_CENTRE = 14  # MNIST's digits have their centre of mass within half a pixel of row 14, column 14

# What counts as ink: so many times the noise of the paper away from it, and so much of the way from black to white.
_NOISES = 5.0
_CONTRAST = 0.08
# Ink smaller than this part of the largest connected piece is dirt, and a digit has at least so many pixels' height
# (two of which are made by smoothing).
_DIRT = 0.05
_SMALLEST = 8
# The paper's brightness is fitted to about so many pixels.
_FITTED = 10_000


class NoDigitError(MnistError):
    """A picture in which there is nothing to read."""


def read_digit(grey: FloatArray) -> ByteArray:
    """Return the digit of a picture as the network wants it: `find_ink`, then `normalise`.

    Parameters
    ----------
    grey : FloatArray, shape (height, width)
        Brightness, 0 black to 1 white; dark ink on light paper, or light on dark.

    Returns
    -------
    ByteArray, shape (28, 28)
        Pixels 0..255, the ink bright as in MNIST.

    Raises
    ------
    NoDigitError
        There is no ink that could be a digit.
    """
    return normalise(find_ink(grey))


def normalise(ink: FloatArray) -> ByteArray:
    """Scale a digit into a box of 20 x 20, and put its centre of mass in the middle of 28 x 28.

    As LeCun, Cortes and Burges did: the aspect ratio and the grey levels that scaling makes are kept, and the digit is
    moved by whole pixels. The strongest ink becomes 255, which MNIST's ink was before it was scaled.

    Parameters
    ----------
    ink : FloatArray, shape (height, width)
        0 where there is paper, 1 where there is ink, between the two at the edge of a stroke.

    Returns
    -------
    ByteArray, shape (28, 28)

    Raises
    ------
    NoDigitError
        There is no ink of 0.5 or more.
    """
    inked = ink >= 0.5
    if not inked.any():
        raise NoDigitError("there is no ink in it")
    box = ink[_extent(inked, axis=0), _extent(inked, axis=1)]
    scale = max(box.shape) / _BOX
    height, width = (max(1, int(length / scale + 0.5)) for length in box.shape)
    small = _averages(box.shape[0], height) @ box @ _averages(box.shape[1], width).T
    digit = np.zeros((SIDE, SIDE), np.uint8)
    top, left = _corner(small.sum(axis=1)), _corner(small.sum(axis=0))
    digit[top : top + height, left : left + width] = 255 * small / small.max() + 0.5
    return digit


def _extent(inked: NDArray[np.bool_], axis: int) -> slice:
    """Return the part of an axis from the first to the last row or column with a true element."""
    where = np.flatnonzero(inked.any(axis=1 - axis))
    return slice(int(where[0]), int(where[-1]) + 1)


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
    """Return where a digit begins so that its centre of mass is in the middle; `mass` is of its rows or columns."""
    centre = mass @ np.arange(len(mass)) / mass.sum()
    return int(np.clip(np.floor(_CENTRE - centre + 0.5), 0, SIDE - len(mass)))


def find_ink(grey: FloatArray) -> FloatArray:
    """Tell ink from paper: what stands out from the brightness of the border, in whichever direction.

    Uneven light, the grain of the paper, dirt, and what sticks into the picture from its border are left out.

    Parameters
    ----------
    grey : FloatArray, shape (height, width)
        Brightness, 0 black to 1 white.

    Returns
    -------
    FloatArray, shape (height, width)
        0 where there is paper, 1 where there is ink, between the two at the edge of a stroke.

    Raises
    ------
    NoDigitError
        There is no ink that could be a digit.
    """
    # Smoothed, grain is no match for a stroke; what is kept in the end is as sharp as it was.
    smooth = np.mean(_neighbours(grey, 1), axis=0)
    paper, noise = _paper(smooth)
    # Ink is what makes the differences lopsided: far to the dark side, or far to the light one.
    sign = np.copysign(1, ((smooth - paper) ** 3).mean())
    ink = sign * (smooth - paper)
    least = max(_NOISES * noise, _CONTRAST)
    standing_out = ink[ink > least]
    if not standing_out.size:
        raise NoDigitError("there is no digit in it: nothing stands out from the paper")
    digit = _without_dirt(ink >= max(least, 0.5 * np.median(standing_out)))
    sharp = sign * (grey - paper)
    levels = np.clip(sharp / np.median(sharp[digit]), 0, 1)
    return np.where(np.any(_neighbours(digit, 2), axis=0), levels, 0)


def _paper(grey: FloatArray) -> tuple[FloatArray, float]:
    """Return the brightness of the paper, (height, width), and the standard deviation of its grain.

    Light falls unevenly, but smoothly: a quadratic function of the place, fitted to the border, then to all pixels that
    do not stand out from it.
    """
    y, x = np.meshgrid(*(np.linspace(-1, 1, length) for length in grey.shape), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    step = max(1, int(np.sqrt(grey.size / _FITTED)))
    some, values = terms[::step, ::step].reshape(-1, 6), grey[::step, ::step].ravel()
    border = np.maximum(np.abs(some[:, 1]), np.abs(some[:, 2])) >= 0.9
    # A first guess that half of the border may contradict.
    deviation = np.where(border, np.abs(values - np.median(values[border])), np.inf)
    fitted = deviation <= np.median(deviation[border])
    paper, noise = np.zeros_like(values), 0.0
    for candidates in (border, border, np.ones_like(border), np.ones_like(border), np.ones_like(border)):
        paper = some @ np.linalg.lstsq(some[fitted], values[fitted], rcond=None)[0]
        deviation = np.abs(values - paper)
        noise = 1.4826 * float(np.median(deviation[fitted]))
        fitted = candidates & (deviation <= max(3 * noise, 0.01))
        if not fitted.any():
            break
    coefficients = np.linalg.lstsq(some, paper, rcond=None)[0]
    return terms @ coefficients, noise


def _without_dirt(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the large pieces of a mask only and, where there are others, not those that touch the border."""
    pieces = _large(_pieces(mask))
    last = np.array(mask.shape) - 1
    pieces = _large([piece for piece in pieces if (piece > 0).all() and (piece < last).all()]) or pieces
    if max((np.ptp(piece, axis=0).max() + 1 for piece in pieces), default=0) < _SMALLEST:
        raise NoDigitError("there is no digit in it: all that stands out is too small")
    kept = np.zeros_like(mask)
    kept[tuple(np.concatenate(pieces).T)] = True
    return kept


def _large(pieces: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Return those pieces that are no dirt beside the largest one."""
    largest = max(map(len, pieces), default=0)
    return [piece for piece in pieces if len(piece) >= _DIRT * largest]


def _pieces(mask: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Return the connected pieces of a mask, diagonal neighbours included: the (row, column) of each pixel, (n, 2)."""
    left = set(zip(*(where.tolist() for where in np.nonzero(mask)), strict=True))
    steps = [step for step in itertools.product((-1, 0, 1), repeat=2) if any(step)]
    pieces = []
    while left:
        piece = [left.pop()]
        for row, column in piece:  # grows while it is walked through
            neighbours = {(row + down, column + right) for down, right in steps} & left
            left -= neighbours
            piece += neighbours
        pieces.append(np.array(piece))
    return pieces


def _neighbours(values: NDArray[Any], reach: int) -> list[NDArray[Any]]:
    """Return the array moved by up to `reach` pixels each way, its border repeated; what is outside is not True."""
    mode: Any = "constant" if values.dtype == bool else "edge"
    padded = np.pad(values, reach, mode=mode)
    height, width = values.shape
    moves = itertools.product(range(2 * reach + 1), repeat=2)
    return [padded[down : down + height, right : right + width] for down, right in moves]
