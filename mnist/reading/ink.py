"""From the picture of one digit to 28 x 28 pixels as MNIST's makers made them: find the ink, then place it."""

import numpy as np

from mnist.reading.paper import find_lines, measure_contrast, smooth
from mnist.reading.pieces import BoolArray, FloatArray, IntArray, border, label_pieces, spread
from mnist.reading.placement import ByteArray, NoDigitError, place_digit

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


def read_digit(grey: FloatArray) -> ByteArray:
    """Return the digit of a picture as the network wants it, (28, 28), pixels 0..255, the ink bright as in MNIST.

    Takes the brightness (height, width), 0 black to 1 white, of dark ink on light paper or of light ink on dark.
    Raises NoDigitError where there is no ink that could be a digit.
    """
    return place_digit(find_ink(grey))


def find_ink(grey: FloatArray) -> FloatArray:
    """Separate ink from paper: ink is thin, and darker than the paper beside it, or lighter.

    Uneven light, shadows, the table beside the sheet, ruled lines, the grain of the paper and dirt are left out.

    Takes the brightness (height, width), 0 black to 1 white. Returns the same shape: 0 where there is paper, 1 where
    there is ink, between the two at the edge of a stroke. Raises NoDigitError where no ink could be a digit.
    """
    contrast = measure_contrast(grey)
    # Smoothing makes grain fainter than a stroke; the result is taken from the sharp picture.
    smoothed = smooth(contrast)
    # Most of a picture is paper, and its grain makes the lower part of the distribution: where that is normal, 1.12
    # deviations lie between these quantiles. In a picture that is all edges, grain is what smoothing takes away.
    low, paper = np.quantile(smoothed, [0.05, 0.3])
    noise = min((paper - low) / 1.12, float(np.median(np.abs(contrast - smoothed))))
    contrast, smoothed = contrast - paper, smoothed - paper
    least = max(_NOISES * noise, _CONTRAST)
    digit = _digit(smoothed, least)
    # Lines reach the border; strokes that are as long do not.
    if border(smoothed > least).any() and border((lines := find_lines(smoothed)) > least).any():
        unruled = _digit(smoothed - lines, least)
        # A long stroke is a line as well, and most of the digit is lost where it is taken for one.
        if border(digit).any() or smoothed[unruled].sum() >= _LEFT * smoothed[digit].sum():
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


def _without_dirt(mask: BoolArray) -> BoolArray:
    """Return the large pieces of a mask and, where several are left, only those that do not touch the border."""
    labels = label_pieces(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    large = sizes >= _DIRT * sizes.max()
    inside = large.copy()
    inside[border(labels)] = False
    digit: BoolArray = inside[labels]
    # Where the digit itself reaches the border, there may be bits of it inside.
    return digit if digit.any() and max(_box(digit)) >= _SMALLEST else large[labels]
