"""Small random deformations of digits, affine and elastic, so that training never sees the same image twice.

A digit turned by ten degrees or drawn by a shakier hand is still that digit (Simard, Steinkraus & Platt 2003).
"""

from dataclasses import dataclass, replace

import numpy as np

from mnist.data.arrays import ByteArray, FloatArray
from mnist.data.dataset import PIXELS, SIDE

# Images that share one displacement field: with images along the last axis, a source pixel is then one row to copy
# instead of a hundred places to look up.
_MEMBERS = 100

# Source positions are rounded to 1/16 of a pixel, so that the four weights of bilinear interpolation are whole 1/256
# that add up to 1 exactly, and a sum of pixels times weights fits into 16 bits.
_STEPS = 16
_ONE = _STEPS * _STEPS

_PADDED = SIDE + 2
_CENTRE = (SIDE - 1) / 2


@dataclass(frozen=True)
class Deformation:
    """How far images are deformed: each kind up to so much, either way; 0 turns it off."""

    rotation: float  # degrees
    scaling: float  # relative change of height and of width, each drawn by itself
    shear: float  # pixels sideways for a pixel up
    shift: float  # pixels, in each direction
    elastic: float  # standard deviation in pixels of each point's displacement, in each direction
    smoothness: float  # standard deviation in pixels of the Gaussian that makes neighbouring displacements alike
    fading: float = 0.0  # the part of all but `smoothness` that is gone at the end of training

    @property
    def is_none(self) -> bool:
        """Whether images stay as they are."""
        return not any((self.rotation, self.scaling, self.shear, self.shift, self.elastic))

    def faded(self, progress: float) -> "Deformation":
        """Return the deformation after the part `progress`, 0..1, of training."""
        left = 1 - self.fading * progress
        kinds = ("rotation", "scaling", "shear", "shift", "elastic")
        return replace(self, **{kind: left * getattr(self, kind) for kind in kinds})


def deform(images: ByteArray, deformation: Deformation, rng: np.random.Generator) -> ByteArray:
    """Return all `images` (images, 784) deformed at random; beyond their border all is 0.

    Images of a group share one random field; a group is every n-th of the images, so that few images of a batch belong
    to one group.
    """
    groups = max(1, round(len(images) / _MEMBERS))
    deformed = np.empty_like(images)
    for group, field in enumerate(source_positions(groups, deformation, rng)):
        deformed[group::groups] = resample(images[group::groups], field)
    return deformed


def source_positions(count: int, deformation: Deformation, rng: np.random.Generator) -> FloatArray:
    """Draw `count` random fields, shape (count, 2, 28, 28), in pixels.

    A field gives the place (row, column) in the old image from which each pixel of the new one is taken.
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
        # The matrix that smooths along one axis: from independent N(0, 1) its rows of length 1 make N(0, 1) again.
        distance = np.subtract.outer(np.arange(SIDE), np.arange(SIDE))
        smooth = np.exp(-((distance / deformation.smoothness) ** 2) / 2)
        smooth /= np.sqrt((smooth**2).sum(axis=1, keepdims=True))
        positions += deformation.elastic * (smooth @ rng.standard_normal((count, 2, SIDE, SIDE)) @ smooth.T)
    return positions


def resample(images: ByteArray, positions: FloatArray) -> ByteArray:
    """Take each pixel from its place in `positions` (2, 28, 28), between pixels by bilinear interpolation.

    `images` (images, 784) and the result have the same shape.
    """
    # A frame of zeros: positions that far outside, and further, are 0.
    padded = np.zeros((_PADDED, _PADDED, len(images)), np.uint16)
    padded[1:-1, 1:-1] = images.reshape(-1, SIDE, SIDE).transpose(1, 2, 0)
    rows = padded.reshape(-1, len(images))

    steps = np.clip(np.rint(positions * _STEPS), -_STEPS, SIDE * _STEPS).astype(np.intp).reshape(2, PIXELS)
    (row, column), (down, right) = steps // _STEPS + 1, steps % _STEPS
    corner = row * _PADDED + column
    pixels = np.zeros((PIXELS, len(images)), np.uint16)
    for neighbour, weight in (
        (corner, (_STEPS - down) * (_STEPS - right)),
        (corner + 1, (_STEPS - down) * right),
        (corner + _PADDED, down * (_STEPS - right)),
        (corner + _PADDED + 1, down * right),
    ):
        # Beyond the last row only with weight 0, so that "clip" changes nothing, but is the fast way to take.
        part = rows.take(neighbour, axis=0, mode="clip")
        part *= weight.astype(np.uint16)[:, np.newaxis]
        pixels += part
    pixels += _ONE // 2
    pixels //= _ONE
    return pixels.T.astype(np.uint8)
