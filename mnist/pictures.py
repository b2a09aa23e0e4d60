"""Pictures of what a network sees: digits with captions, weights in two colours."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mnist.arrays import ByteArray, FloatArray
from mnist.dataset import SIDE
from mnist.files import atomic_write

_GAP = 4
_SCALE = 3
_CAPTION_HEIGHT = 20
_PAPER, _INK = (255, 255, 255), (40, 40, 40)


def save_digits(path: Path, images: ByteArray, captions: Sequence[str], columns: int = 8) -> None:
    """Draw images (n, 784) in rows, black on white, each with a caption under it."""
    tiles = 255 - images.reshape(-1, SIDE, SIDE, 1).repeat(3, axis=3)
    _save_sheet(path, tiles, captions, columns, _CAPTION_HEIGHT)


def save_weights(path: Path, weights: FloatArray, columns: int = 10) -> None:
    """Draw the weights (784, units) of a first layer: red speaks for a unit, blue against it, white is indifferent.

    Each unit has its own scale, its strongest weight in full colour.
    """
    strongest = np.abs(weights).max(axis=0)
    strength = (weights / np.where(strongest == 0, 1, strongest)).T.reshape(-1, SIDE, SIDE, 1)
    fading = np.where(strength > 0, np.array([0.2, 1, 1]), np.array([1, 0.7, 0.1]))
    tiles = (255 * (1 - np.abs(strength) * fading)).astype(np.uint8)
    _save_sheet(path, tiles, [""] * len(tiles), columns, caption_height=0)


def _save_sheet(path: Path, tiles: ByteArray, captions: Sequence[str], columns: int, caption_height: int) -> None:
    """Lay out tiles (n, 28, 28, 3) in rows and write them as PNG."""
    font = ImageFont.load_default(14)
    # A column is as wide as what stands in it: names of clothes are wider than their pictures.
    inner = max(SIDE * _SCALE, *(math.ceil(font.getlength(caption)) + _GAP for caption in captions), 0)
    width, height = inner + _GAP, SIDE * _SCALE + caption_height + _GAP
    rows = max(1, -(-len(tiles) // columns))
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
        x, y = index % columns * width + _GAP, index // columns * height + _GAP
        picture = Image.fromarray(tile.repeat(_SCALE, axis=0).repeat(_SCALE, axis=1))
        sheet.paste(picture, (x + (inner - SIDE * _SCALE) // 2, y))
        draw.text((x + inner // 2, y + SIDE * _SCALE), caption, _INK, font, anchor="ma")
    with atomic_write(path) as file:
        sheet.save(file, "PNG", optimize=True)
