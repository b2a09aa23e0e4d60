"""Sheets of 28 x 28 pictures, in rows, as PNG: digits, and the weights of a first layer."""

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist.data.arrays import ByteArray, FloatArray
from mnist.data.dataset import SIDE

_GAP = 4
_TILE = 3 * SIDE
_CAPTION_HEIGHT = 20
_PAPER, _INK = (255, 255, 255), (40, 40, 40)


def draw_digits(images: ByteArray, captions: Sequence[str], columns: int) -> bytes:
    """Return the PNG of `images` (n, 784), black on white, each with a caption under it."""
    tiles = 255 - images.reshape(-1, SIDE, SIDE, 1).repeat(3, axis=3)
    return _draw_sheet(tiles, captions, columns, _CAPTION_HEIGHT)


def draw_weights(weights: FloatArray, columns: int) -> bytes:
    """Return the PNG of the weights (784, units) of a first layer: red above 0, blue below, white 0; see `scale`."""
    strength = scale(weights).reshape(-1, SIDE, SIDE, 1)
    fading = np.where(strength > 0, np.array([0.2, 1, 1]), np.array([1, 0.7, 0.1]))
    tiles = (255 * (1 - np.abs(strength) * fading)).astype(np.uint8)
    return _draw_sheet(tiles, [""] * len(tiles), columns, caption_height=0)


def scale(weights: FloatArray) -> FloatArray:
    """Return weights (784, units) as (units, 784), each unit divided by its strongest weight: -1 to 1."""
    strongest = np.abs(weights).max(axis=0)
    return (weights / np.where(strongest == 0, 1, strongest)).T


def _draw_sheet(tiles: ByteArray, captions: Sequence[str], columns: int, caption_height: int) -> bytes:
    """Lay out tiles (n, 28, 28, 3) in rows."""
    font = ImageFont.load_default(14)
    # A column is as wide as its widest caption: names of clothes are wider than their pictures.
    inner = max(_TILE, *(math.ceil(font.getlength(caption)) + _GAP for caption in captions), 0)
    width, height = inner + _GAP, _TILE + caption_height + _GAP
    rows = max(1, -(-len(tiles) // columns))
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        x, y = index % columns * width + _GAP, index // columns * height + _GAP
        picture = Image.fromarray(tile).resize((_TILE, _TILE), Image.Resampling.NEAREST)
        sheet.paste(picture, (x + (inner - _TILE) // 2, y))
        draw.text((x + inner // 2, y + _TILE), caption, _INK, font, anchor="ma")
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return file.getvalue()
