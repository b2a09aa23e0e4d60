"""Small random deformations of digits, affine and elastic, so that training never sees the same image twice.

A digit turned by ten degrees or drawn by a shakier hand is still that digit (Simard, Steinkraus & Platt 2003).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mnist.data.arrays import ByteArray
from mnist.data.dataset import PIXELS, SIDE
from mnist.nn.arrays import FloatArray

# The number of images that share one displacement field. With images along the last axis, a source pixel is then one
# row to copy instead of a hundred places to look up.
_MEMBERS = 100

# Source positions are rounded to 1/16 of a pixel. The four weights of bilinear interpolation are then multiples of
# 1/256 that add up to exactly 1, and a sum of pixels times weights fits into 16 bits.
_STEPS = 16
_ONE = _STEPS * _STEPS

_PADDED = SIDE + 2
_CENTRE = (SIDE - 1) / 2


@dataclass(frozen=True)
class Deformation:
    """How far images are deformed: the limit of each kind, in both directions; 0 turns a kind off."""

    rotation: float  # degrees
    scaling: float  # relative change of height and of width, drawn independently
    shear: float  # pixels sideways for a pixel up
    shift: float  # pixels, in each direction
    elastic: float  # standard deviation in pixels of each point's displacement, in each direction
    smoothness: float  # standard deviation in pixels of the Gaussian that makes neighbouring displacements alike
    fading: float = 0.0  # the fraction of all kinds that is gone at the end of training

    @property
    def is_none(self) -> bool:
        """Whether images stay as they are."""
        return not any((self.rotation, self.scaling, self.shear, self.shift, self.elastic))

    def faded(self, progress: float) -> "Deformation":
        """Return the deformation at `progress`, the fraction 0..1 of the training that is complete."""
        left = 1 - self.fading * progress
        kinds = ("rotation", "scaling", "shear", "shift", "elastic")
        return replace(self, **{kind: left * getattr(self, kind) for kind in kinds})


def deform(images: ByteArray, deformation: Deformation, rng: np.random.Generator) -> ByteArray:
    """Return all `images` (images, 784) deformed at random; pixels outside an image count as 0.

    The images of a group share one random field. A group consists of every n-th image, so that few images of a batch
    belong to the same group.
    """
    groups = max(1, round(len(images) / _MEMBERS))
    neighbours, weights = _interpolate(source_positions(groups, deformation, rng))
    deformed = np.empty_like(images)
    blend = _Blend(-(-len(images) // groups))
    for group in range(groups):
        deformed[group::groups] = blend(images[group::groups], neighbours[group], weights[group])
    return deformed


def source_positions(count: int, deformation: Deformation, rng: np.random.Generator) -> FloatArray:
    """Draw `count` random fields, shape (count, 2, 28, 28), in pixels.

    A field gives, for each pixel of the new image, its source position (row, column) in the old image.
    """
    angle = np.radians(deformation.rotation) * rng.uniform(-1, 1, count)
    row_scale, column_scale = 1 + deformation.scaling * rng.uniform(-1, 1, (2, count))
    shear = deformation.shear * rng.uniform(-1, 1, count)
    shift = deformation.shift * rng.uniform(-1, 1, (count, 2, 1, 1))
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.array([[cos, sin], [-sin, cos]])
    stretch = np.array([[row_scale, np.zeros(count)], [shear, column_scale]])
    matrix = np.einsum("ijn,jkn->nik", rotation, stretch)

    offsets = np.indices((SIDE, SIDE)) - _CENTRE
    positions: FloatArray = np.einsum("nij,jrc->nirc", matrix, offsets) + _CENTRE + shift
    if deformation.elastic:
        # The matrix that smooths along one axis. Its rows have length 1, so smoothed N(0, 1) values still are N(0, 1).
        distance = np.subtract.outer(np.arange(SIDE), np.arange(SIDE))
        smooth = np.exp(-((distance / deformation.smoothness) ** 2) / 2)
        smooth /= np.sqrt((smooth**2).sum(axis=1, keepdims=True))
        positions += deformation.elastic * (smooth @ rng.standard_normal((count, 2, SIDE, SIDE)) @ smooth.T)
    return positions


def _interpolate(positions: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.uint16]]:
    """Return the four neighbours of each position in a padded image, and their weights.

    `positions` have the shape (fields, 2, 28, 28). Neighbours and weights have the shape (fields, 4, 784); the weights
    of a position add up to 256.
    """
    steps = np.clip(np.rint(positions * _STEPS), -_STEPS, SIDE * _STEPS).astype(np.int32).reshape(-1, 2, PIXELS)
    (row, column), (down, right) = np.divmod(steps.swapaxes(0, 1), _STEPS)
    corner = (row + 1) * _PADDED + column + 1
    up, left = _STEPS - down, _STEPS - right
    neighbours = np.stack((corner, corner + 1, corner + _PADDED, corner + _PADDED + 1), axis=1)
    weights = np.stack((up * left, up * right, down * left, down * right), axis=1)
    return neighbours.astype(np.intp), weights.astype(np.uint16)


class _Blend:
    """Computes each pixel as the weighted mean of its neighbours, for up to `most` images at a time.

    It reuses its arrays: the operating system hands out new arrays page by page, which would take a third of the time.
    """

    def __init__(self, most: int) -> None:
        # The images lie in a frame of zeros, which stands for all pixels outside.
        self._padded = np.zeros((_PADDED, _PADDED, most), np.uint16)
        self._pixels, self._part = (np.empty((PIXELS, most), np.uint16) for _ in range(2))

    def __call__(self, images: ByteArray, neighbours: NDArray[np.intp], weights: NDArray[np.uint16]) -> ByteArray:
        """Return `images` (images, 784) blended by the weights of their neighbours, both (4, 784)."""
        self._padded[1:-1, 1:-1, : len(images)] = images.reshape(-1, SIDE, SIDE).transpose(1, 2, 0)
        rows = self._padded.reshape(_PADDED * _PADDED, -1)
        self._pixels.fill(_ONE // 2)
        for neighbour, weight in zip(neighbours, weights[:, :, np.newaxis], strict=True):
            # A neighbour beyond the last row has weight 0, so "clip" cannot change the result; it is the fastest mode.
            rows.take(neighbour, axis=0, mode="clip", out=self._part)
            self._part *= weight
            self._pixels += self._part
        self._pixels //= _ONE
        return self._pixels.T[: len(images)].astype(np.uint8)
