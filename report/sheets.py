"""Sheets of 28 x 28 pictures, in rows, as PNG: digits, and the weights of a first layer."""

import io
import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist.data.arrays import ByteArray
from mnist.data.dataset import SIDE
from mnist.nn.arrays import FloatArray

Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0..255."""

_GAP = 4
_TILE = 3 * SIDE
_CAPTION_HEIGHT = 20
_TITLE_HEIGHT = 34
_PAPER, _INK = (255, 255, 255), (40, 40, 40)
_LEVELS = 15


def draw_digits(images: ByteArray, columns: int, title: str, captions: Sequence[str] = ()) -> bytes:
    """Return the PNG of `images` (n, 784), black on white, under a title, with their captions if there are any."""
    tiles = 255 - images.reshape(-1, SIDE, SIDE, 1).repeat(3, axis=3)
    return _draw_sheet(tiles, columns, title, captions)


def draw_weights(weights: FloatArray, columns: int, title: str) -> bytes:
    """Return the PNG of the weights (784, units) of a first layer: red above 0, blue below, white 0; see `scale`."""
    strength = scale(weights).reshape(-1, SIDE, SIDE, 1)
    fading = np.where(strength > 0, np.array([0.2, 1, 1]), np.array([1, 0.7, 0.1]))
    tiles = (255 * (1 - np.abs(strength) * fading)).astype(np.uint8)
    return _draw_sheet(tiles, columns, title)


def draw_strip(strengths: FloatArray, above: Colour, below: Colour = (0, 0, 0)) -> bytes:
    """Return the PNG of pictures (n, 784) of -1..1, one below the other, a pixel for each value.

    The colour of 1 is `above`, and the colour of -1 is `below`. The nearer a value is to 0, the more transparent its
    pixel is, on a light or a dark page. Few levels make a small file, and people do not see the difference.
    """
    levels = np.round(_LEVELS * strengths).astype(np.int64)
    strip = Image.fromarray((levels + _LEVELS).astype(np.uint8).reshape(-1, SIDE))
    strip.putpalette([*below * _LEVELS, *above * (_LEVELS + 1)])
    opacity = [round(255 * abs(level) / _LEVELS) for level in range(-_LEVELS, _LEVELS + 1)]
    file = io.BytesIO()
    strip.save(file, "PNG", optimize=True, transparency=bytes(opacity))
    return file.getvalue()


def scale(weights: FloatArray) -> FloatArray:
    """Return weights (784, units) as (units, 784), each unit divided by its strongest weight: -1 to 1."""
    strongest = np.abs(weights).max(axis=0)
    return (weights / np.where(strongest == 0, 1, strongest)).T


def _draw_sheet(tiles: ByteArray, columns: int, title: str, captions: Sequence[str] = ()) -> bytes:
    """Lay out tiles (n, 28, 28, 3) in rows under a title."""
    font, title_font = ImageFont.load_default(14), ImageFont.load_default(18)
    # Columns are as wide as the widest caption: names of clothes are wider than their pictures.
    inner = max(_TILE, *(math.ceil(font.getlength(caption)) + _GAP for caption in captions), 0)
    width, height = inner + _GAP, _TILE + (_CAPTION_HEIGHT if captions else 0) + _GAP
    rows = max(1, -(-len(tiles) // columns))
    whole_width = max(columns * width, math.ceil(title_font.getlength(title)) + _GAP) + _GAP
    sheet = Image.new("RGB", (whole_width, _TITLE_HEIGHT + rows * height + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), title, _INK, title_font)
    for index, (tile, caption) in enumerate(zip(tiles, captions or [""] * len(tiles), strict=True)):
        x, y = index % columns * width + _GAP, index // columns * height + _TITLE_HEIGHT + _GAP
        picture = Image.fromarray(tile).resize((_TILE, _TILE), Image.Resampling.NEAREST)
        sheet.paste(picture, (x + (inner - _TILE) // 2, y))
        draw.text((x + inner // 2, y + _TILE), caption, _INK, font, anchor="ma")
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()
