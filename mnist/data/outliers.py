"""Images of nothing in particular, which a data set's own images are told apart from: drawings and mixtures.

Both are made without knowing what the classes are. Such outliers teach a network to recognise others that it has never
seen (Hendrycks, Mazeika & Dietterich 2019, "Deep Anomaly Detection with Outlier Exposure").
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mnist.data.arrays import ByteArray
from mnist.data.dataset import PIXELS, SIDE

Points: TypeAlias = NDArray[np.float64]
"""The strokes of some drawings, (drawings, strokes, points, 2): x and y in a box of about 1 x 1."""

_STROKES, _POINTS = 5, 20
_ALONG = np.linspace(0, 1, _POINTS)
# As MNIST's makers placed digits: in a box of 20 x 20, the centre of mass in the middle of the image.
_BOX = 20
_MIDDLE = (SIDE - 1) / 2
_FILLED = 0.1
_MOST_TURNS = 12
# What a stroke without length has of ink, so that no drawing is without any.
_DOT = 1e-3
# Drawings that are made at a time, which bounds the memory that takes.
_PIECE = 500


def draw_outliers(count: int, rng: np.random.Generator) -> ByteArray:
    """Return `count` drawings (count, 784): strokes that meet or not, zigzags, polygons, filled rings, scribbles."""
    kinds: list[Callable[[int, np.random.Generator], Points]] = [_strokes, _zigzags, _polygons, _rings, _scribbles]
    pieces = []
    for start in range(0, count, _PIECE):
        sizes = rng.multinomial(min(_PIECE, count - start), [0.3, 0.15, 0.05, 0.14, 0.36])
        points = np.concatenate([kind(size, rng) for kind, size in zip(kinds, sizes, strict=True)])
        points[..., 0] *= rng.uniform(0.45, 1.1, (len(points), 1, 1))
        pieces.append(_render(points, rng))
    return np.concatenate(pieces)


def mix_outliers(images: ByteArray, rng: np.random.Generator) -> ByteArray:
    """Return as many mixtures (images, 784) of `images` (images, 784) with one another.

    A mixture is the left, or upper, part of one image beside the rest of another, two images on top of each other, an
    image on its own mirror image, or two small images side by side.
    """
    count = len(images)
    first = images.reshape(count, SIDE, SIDE)
    second = first[rng.permutation(count)]
    left = np.arange(SIDE) < rng.integers(10, 18, (count, 1, 1))
    pair, half = np.zeros_like(first), SIDE // 2
    for side, image in ((slice(0, half), first), (slice(half, SIDE), second)):
        pair[:, half // 2 : half // 2 + half, side] = image.reshape(count, half, 2, half, 2).max(axis=(2, 4))
    mixtures = [
        np.where(left, first, second),
        np.where(left.transpose(0, 2, 1), first, second),
        np.maximum(first, np.roll(second, 5, axis=2)),
        np.maximum(first, first[:, :, ::-1]),
        pair,
    ]
    return np.choose(rng.integers(len(mixtures), size=(count, 1, 1)), mixtures).reshape(count, PIXELS)


def _strokes(count: int, rng: np.random.Generator) -> Points:
    """Lines, bows and arcs; many begin at the end of an earlier one or on it, and some drawings are symmetrical."""
    shape = (count, _STROKES)
    # Ends on a coarse grid meet, and make right angles and parallels; others make any angle.
    steps = rng.integers(1, 4, (count, 1, 1))
    on_grid = rng.random((count, 1, 1)) < 0.6
    begin, end = (
        np.where(on_grid, rng.integers(0, steps + 1, (*shape, 2)) / steps, rng.random((*shape, 2))) for _ in range(2)
    )
    end = np.where(np.abs(end - begin).sum(axis=2, keepdims=True) < 0.2, 1 - begin, end)
    joined = rng.random((_STROKES, count, 1))
    for stroke in range(1, _STROKES):
        earlier = np.arange(count), rng.integers(0, stroke, count)
        place = begin[earlier] + (end[earlier] - begin[earlier]) * rng.choice([0, 0.5, 1], (count, 1))
        kinds = [joined[stroke] < 0.35, joined[stroke] < 0.75]
        begin[:, stroke] = np.select(kinds, [end[:, stroke - 1], place], begin[:, stroke])
    way = (end - begin)[:, :, np.newaxis]
    bow = rng.normal(0, 0.45, shape) * (rng.random(shape) < 0.45)
    across = np.stack([-way[..., 1], way[..., 0]], axis=-1) * bow[:, :, np.newaxis, np.newaxis]
    lines = begin[:, :, np.newaxis] + way * _ALONG[:, np.newaxis] + across * (4 * _ALONG * (1 - _ALONG))[:, np.newaxis]
    turn = rng.choice([-1, 1], shape) * rng.choice([0.5, 1, 1.5, 2], shape) * np.pi
    angles = rng.integers(0, 8, (*shape, 1)) * np.pi / 4 + turn[:, :, np.newaxis] * _ALONG
    arcs = rng.uniform(0.12, 0.5, (*shape, 1, 2)) * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    attached = rng.random((*shape, 1, 1)) < 0.5
    arcs += np.where(attached, begin[:, :, np.newaxis] - arcs[:, :, :1], rng.uniform(0.2, 0.8, (*shape, 1, 2)))
    points = np.where(rng.random((*shape, 1, 1)) < 0.3, arcs, lines)
    mirrored = rng.random(count) < 0.25
    points[mirrored, 2:4] = points[mirrored, :2] * (-1, 1) + (1, 0)
    # A single stroke is too often a digit 1, or part of anything else.
    used = np.where(mirrored, 4, rng.choice([1, 2, 3, 4, 5], count, p=[0.04, 0.2, 0.32, 0.24, 0.2]))
    return _keep(points, used)


def _zigzags(count: int, rng: np.random.Generator) -> Points:
    """One line to and fro, of four to twelve straight parts."""
    along = np.linspace(0, 1, _STROKES * _POINTS) * rng.uniform(4, _MOST_TURNS, (count, 1))
    turn, part = np.divmod(along, 1)
    corners = np.arange(_MOST_TURNS + 2) % 2 + rng.normal(0, 0.12, (count, _MOST_TURNS + 2))
    before = np.arange(count)[:, np.newaxis], turn.astype(int)
    after = before[0], before[1] + 1
    sideways = corners[before] + (corners[after] - corners[before]) * part
    onward = along / along[:, -1:] * rng.uniform(0.5, 1.6, (count, 1))
    points = np.stack([sideways, onward], axis=-1)
    lying = rng.random(count) < 0.4
    points[lying] = points[lying, :, ::-1]
    return points.reshape(count, _STROKES, _POINTS, 2)


def _polygons(count: int, rng: np.random.Generator) -> Points:
    """Closed polygons and stars of three to five corners."""
    corners = rng.integers(3, _STROKES + 1, count)
    number = np.arange(_STROKES)
    angles = (number + rng.uniform(-0.25, 0.25, (count, _STROKES))) * 2 * np.pi / corners[:, np.newaxis]
    angles += rng.uniform(0, 2 * np.pi, (count, 1))
    radii = rng.uniform(0.35, 0.5, (count, _STROKES))
    begin = radii[:, :, np.newaxis] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    last = (number + 1 == corners[:, np.newaxis])[:, :, np.newaxis]
    end = np.where(last, begin[:, :1], np.roll(begin, -1, axis=1))
    way = (end - begin)[:, :, np.newaxis]
    return _keep(begin[:, :, np.newaxis] + way * _ALONG[:, np.newaxis], corners)


def _rings(count: int, rng: np.random.Generator) -> Points:
    """Rings with strokes in them or across."""
    points = _strokes(count, rng)
    inside = rng.random((count, 1, 1, 1)) < 0.6
    points = np.where(inside, 0.25 + 0.5 * points, points)
    angles = np.pi * (_ALONG + np.array([[0], [1]]))
    points[:, :2] = 0.5 + 0.5 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return points


def _scribbles(count: int, rng: np.random.Generator) -> Points:
    """One long line that turns at random, now here, now there more tightly."""
    shape = count, _STROKES * _POINTS
    turns = rng.uniform(0.1, 0.6, (count, 1)) * rng.standard_normal(shape)
    curl = rng.normal(0, 0.12, (count, 1)) + np.cumsum(rng.uniform(0, 0.06, (count, 1)) * rng.standard_normal(shape), 1)
    angles = rng.uniform(0, 2 * np.pi, (count, 1)) + np.cumsum(turns + curl, axis=1)
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return np.cumsum(steps, axis=1).reshape(count, _STROKES, _POINTS, 2) / _POINTS


def _keep(points: Points, used: NDArray[np.int64]) -> Points:
    """Return drawings of which only so many strokes are left: the others shrink to a point, which has no ink."""
    kept = (np.arange(_STROKES) < used[:, np.newaxis])[:, :, np.newaxis, np.newaxis]
    return np.where(kept, points, points[:, :1, :1])


def _render(points: Points, rng: np.random.Generator) -> ByteArray:
    """Draw strokes as rows of dots, each of which is a Gaussian in x times a Gaussian in y."""
    count = len(points)
    # A few pens are so thick that they fill what they draw.
    thick = rng.random((count, 1, 1)) < _FILLED
    pens = np.where(thick, rng.uniform(2, 7, (count, 1, 1)), rng.uniform(0.7, 1.4, (count, 1, 1)))
    places = points.reshape(count, -1, 2)
    size = np.ptp(places, axis=1, keepdims=True).max(axis=2, keepdims=True)
    scale = (_BOX - 2 * pens) / np.maximum(size, 0.05)
    # Dots that are close have less ink each, so that a line has the same wherever its points are.
    gaps = np.linalg.norm(np.diff(points, axis=2, append=points[:, :, -1:]), axis=3).reshape(count, -1, 1) * scale
    ink = (gaps + _DOT) * rng.uniform(0.7, 1.8, (count, 1, 1)) / pens
    middle = (places * ink).sum(axis=1, keepdims=True) / ink.sum(axis=1, keepdims=True)
    x, y = np.moveaxis((places - middle) * scale + _MIDDLE, 2, 0)[..., np.newaxis].astype(np.float32)
    grid, pens = np.arange(SIDE, dtype=np.float32), pens.astype(np.float32)
    columns, rows = np.exp(-(((grid - x) / pens) ** 2)), np.exp(-(((grid - y) / pens) ** 2)) * ink.astype(np.float32)
    pixels: ByteArray = (255 * np.minimum(rows.transpose(0, 2, 1) @ columns, 1) + 0.5).astype(np.uint8)
    return pixels.reshape(count, PIXELS)
