"""What the strokes of an image look like: where its ink is, and which way its edges run."""

import math

import numpy as np

from mnist.data.arrays import ByteArray
from mnist.data.dataset import SIDE
from mnist.nn.arrays import FloatArray

DIRECTIONS, CELLS = 4, 6
FEATURES = (1 + DIRECTIONS) * CELLS * CELLS
_PIECE = 250

# Row c has the weights of a line of pixels in the mean of cell c: a Gaussian around its middle. Cells overlap, so that
# a stroke may be a little elsewhere.
_WIDTH = 2.6
_POOL = np.exp(-(((np.arange(SIDE) - (np.arange(CELLS)[:, None] + 0.5) * SIDE / CELLS + 0.5) / _WIDTH) ** 2) / 2)
_POOL /= _POOL.sum(axis=1, keepdims=True)


def edges(pixels: ByteArray, dtype: str = "float64") -> FloatArray:
    """Return the features (images, FEATURES) of `pixels` (images, 784): ink and edges in four directions, by cell.

    An edge is the absolute derivative across it, by Sobel's filter; each of 6 x 6 cells has the square root of its mean
    (Dalal & Triggs 2005, "Histograms of Oriented Gradients", with their square root).
    """
    pool = _POOL.astype(dtype)
    found = np.empty((len(pixels), 1 + DIRECTIONS, CELLS, CELLS), dtype)
    for start in range(0, len(pixels), _PIECE):
        image = pixels[start : start + _PIECE].reshape(-1, SIDE, SIDE)
        padded = np.zeros((len(image), SIDE + 2, SIDE + 2), dtype)
        padded[:, 1:-1, 1:-1] = image
        padded /= 255
        rows = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
        columns = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
        across, down = rows[:, :, 2:] - rows[:, :, :-2], columns[:, 2:] - columns[:, :-2]
        found[start : start + _PIECE, 0] = pool @ padded[:, 1:-1, 1:-1] @ pool.T
        for number in range(DIRECTIONS):
            angle = math.pi * number / DIRECTIONS
            slope = np.abs(math.cos(angle) * across + math.sin(angle) * down)
            found[start : start + _PIECE, 1 + number] = pool @ slope @ pool.T
    return np.sqrt(found).reshape(len(pixels), FEATURES)
