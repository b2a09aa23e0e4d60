"""Connected pieces of ink, and the digits that they make: several digits in a row are split, left to right."""

import itertools
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

# Strokes of one digit share at least so much of the narrower one's columns; slanted neighbours share less.
_SHARED = 0.5
# A piece lower than so many times the tallest digit joins the digit beside it, from the further away the lower it is.
_LOW = 0.7
_NEAR = 0.4


class _Strokes(NamedTuple):
    """Pieces that belong to one digit, and the box around them."""

    left: int
    right: int
    top: int
    bottom: int
    labels: tuple[int, ...]

    def joined(self, other: "_Strokes") -> "_Strokes":
        return _Strokes(
            min(self.left, other.left),
            max(self.right, other.right),
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            self.labels + other.labels,
        )


def border(values: NDArray[Any]) -> NDArray[Any]:
    """Return the outermost rows and columns of `values` (height, width), one after another; corners are there twice."""
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def split_digits(ink: FloatArray) -> list[FloatArray]:
    """Return the ink of each digit in a row, left to right, each with the shape of `ink`.

    Pieces above each other are strokes of one digit: the bar of a 5, or the two strokes of an open 4. A low piece, such
    as a dot, belongs to the digit beside it. Digits that touch stay together.

    Takes ink (height, width) as `find_ink` returns it. Returns `[ink]` itself where there is one digit, and an empty
    list where no ink is 0.5 or more.
    """
    labels = label_pieces(ink >= 0.5)
    digits = _join(labels)
    if len(digits) == 1:
        return [ink]
    masks = [np.isin(labels, digit.labels) for digit in digits]
    # The soft edge of a stroke is below 0.5.
    return [np.where(mask | (spread(mask, 2) & (labels == 0)), ink, 0) for mask in masks]


def _join(labels: IntArray) -> list[_Strokes]:
    """Join the pieces that belong together, the closest ones first; return the digits, left to right."""
    digits = []
    for label in range(1, labels.max(initial=0) + 1):
        rows, columns = (np.flatnonzero((labels == label).any(axis=axis)) for axis in (1, 0))
        digits.append(_Strokes(int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1, (label,)))
    tallest = max((digit.bottom - digit.top for digit in digits), default=0)
    while True:
        digits.sort()
        gaps = [
            (second.left - first.right, place)
            for place, (first, second) in enumerate(itertools.pairwise(digits))
            if _belong_together(first, second, tallest)
        ]
        if not gaps:
            return digits
        _, place = min(gaps)
        digits[place : place + 2] = [digits[place].joined(digits[place + 1])]


def _belong_together(first: _Strokes, second: _Strokes, tallest: int) -> bool:
    gap = second.left - first.right
    narrower = min(first.right - first.left, second.right - second.left)
    lower = min(first.bottom - first.top, second.bottom - second.top)
    return -gap >= _SHARED * narrower or max(gap, 0) * lower < _NEAR * tallest * (_LOW * tallest - lower)


def label_pieces(mask: BoolArray) -> IntArray:
    """Number the connected pieces of a mask, diagonal neighbours included: 0 outside, then 1, 2, ... by first pixel.

    The runs of each row are found first; runs that touch in neighbouring rows then take the lowest of their numbers
    until nothing changes (He, Chao and Suzuki, 2008, label runs in this way).
    """
    width = mask.shape[1] + 2
    flat = np.pad(mask, 1).ravel()
    starts, ends = (np.flatnonzero(flat[1:] != flat[:-1]) + 1).reshape(-1, 2).T
    first, last = np.searchsorted(ends, starts + width), np.searchsorted(starts, ends + width, side="right")
    above = np.repeat(np.arange(len(starts)), last - first)
    below = np.arange(len(above)) - np.repeat(np.cumsum(last - first) - last, last - first)
    runs = np.arange(len(starts))
    while (runs[above] != runs[below]).any():
        lowest = np.minimum(runs[above], runs[below])
        np.minimum.at(runs, runs[above], lowest)
        np.minimum.at(runs, runs[below], lowest)
        runs = runs[runs]
    labels = np.zeros(flat.shape, np.int64)
    labels[flat] = np.repeat(np.unique(runs, return_inverse=True)[1] + 1, ends - starts)
    return labels.reshape(-1, width)[1:-1, 1:-1]


def spread(mask: BoolArray, reach: int) -> BoolArray:
    """Return the mask with all pixels up to `reach` rows and columns away."""
    for _ in range(reach):
        padded = np.pad(mask, 1)
        rows = padded[:-2] | padded[1:-1] | padded[2:]
        mask = rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]
    return mask
