"""From the picture of one digit to 28 x 28 pixels as MNIST's makers made them: find the ink, then place it."""

import itertools
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mnist.reading.placement import ByteArray, FloatArray, NoDigitError, place_digit

BoolArray: TypeAlias = NDArray[np.bool_]

# What counts as ink: so many times the noise of the paper away from it, and so much of the way from black to white.
_NOISES = 5.0
_CONTRAST = 0.08
# Ink smaller than this part of the largest connected piece is dirt, and a digit has at least so many pixels' height
# (two of which are made by smoothing).
_DIRT = 0.05
_SMALLEST = 8
# The paper's brightness is fitted to about so many pixels.
_FITTED = 10_000


def read_digit(grey: FloatArray) -> ByteArray:
    """Return the digit of a picture as the network wants it, (28, 28), pixels 0..255, the ink bright as in MNIST.

    Takes the brightness (height, width), 0 black to 1 white, of dark ink on light paper or of light ink on dark.
    Raises NoDigitError where there is no ink that could be a digit.
    """
    return place_digit(find_ink(grey))


def find_ink(grey: FloatArray) -> FloatArray:
    """Separate ink from paper: ink is darker than the border of the picture, or lighter.

    Uneven light, the grain of the paper, dirt, and things that reach into the picture from its border are left out.

    Takes the brightness (height, width), 0 black to 1 white. Returns the same shape: 0 where there is paper, 1 where
    there is ink, between the two at the edge of a stroke. Raises NoDigitError where no ink could be a digit.
    """
    # Smoothing makes grain fainter than a stroke; the result is taken from the sharp picture.
    smooth = _windows(grey, 1).mean(axis=(2, 3))
    paper, noise = _paper(smooth)
    # Ink makes the differences lopsided: far to the dark side, or far to the light one.
    sign = np.copysign(1, ((smooth - paper) ** 3).mean())
    ink = sign * (smooth - paper)
    least = max(_NOISES * noise, _CONTRAST)
    standing_out = ink[ink > least]
    if not standing_out.size:
        raise NoDigitError("there is no digit in it: nothing stands out from the paper")
    digit = _without_dirt(ink >= max(least, 0.5 * np.median(standing_out)))
    sharp = sign * (grey - paper)
    levels = np.clip(sharp / np.median(sharp[digit]), 0, 1)
    return np.where(_windows(digit, 2).any(axis=(2, 3)), levels, 0)


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
    everywhere = np.ones_like(border)
    for candidates in (border, border, everywhere, everywhere, everywhere):
        coefficients = np.linalg.lstsq(some[fitted], values[fitted], rcond=None)[0]
        deviation = np.abs(values - some @ coefficients)
        noise = 1.4826 * float(np.median(deviation[fitted]))
        fitted = candidates & (deviation <= max(3 * noise, 0.01))
    return terms @ coefficients, noise


def _without_dirt(mask: BoolArray) -> BoolArray:
    """Return the large pieces of a mask and, where several are left, only those that do not touch the border."""
    pieces = _pieces(mask)
    largest = max(map(len, pieces))
    large = [piece for piece in pieces if len(piece) >= _DIRT * largest]
    last = np.array(mask.shape) - 1
    digit = [piece for piece in large if (piece > 0).all() and (piece < last).all()] or large
    if max(np.ptp(piece, axis=0).max() + 1 for piece in digit) < _SMALLEST:
        raise NoDigitError("there is no digit in it: all that stands out is too small")
    kept = np.zeros_like(mask)
    kept[tuple(np.concatenate(digit).T)] = True
    return kept


def _pieces(mask: BoolArray) -> list[NDArray[np.int64]]:
    """Return the connected pieces of a mask, diagonal neighbours included: the (row, column) of each pixel, (n, 2)."""
    left = set(zip(*(where.tolist() for where in np.nonzero(mask)), strict=True))
    pieces = []
    while left:
        piece = [left.pop()]
        for row, column in piece:  # grows while the loop runs
            neighbours = set(itertools.product((row - 1, row, row + 1), (column - 1, column, column + 1))) & left
            left -= neighbours
            piece += neighbours
        pieces.append(np.array(piece))
    return pieces


def _windows(values: NDArray[Any], reach: int) -> NDArray[Any]:
    """Return the pixels around each pixel, (height, width, window, window); beyond the border it repeats itself."""
    size = 2 * reach + 1
    return sliding_window_view(np.pad(values, reach, mode="edge"), (size, size))
