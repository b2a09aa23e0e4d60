"""Picture files: sheets of digits and of weights to look at, and photographs to read."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

from mnist.arrays import ByteArray, FloatArray
from mnist.dataset import SIDE
from mnist.errors import MnistError
from mnist.files import atomic_write

_GAP = 4
_SCALE = 3
_CAPTION_HEIGHT = 20
_PAPER, _INK = (255, 255, 255), (40, 40, 40)

# What is read: at most so many pixels, made smaller to these many a side. While they are decoded they are 400 MB, and
# 1.1 GB where each is one large number.
_MOST_PIXELS = 50_000_000
_LONGEST = 500


class PictureError(MnistError):
    """A file that is no picture, a damaged one, or one that is too large to be opened."""


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


def read_grey(file: BinaryIO) -> FloatArray:
    """Return a picture's brightness, upright, made smaller where it is large.

    Of the three colours the one is taken in which the picture varies most, so that any ink stands out from any paper.
    What is transparent becomes paper: white under dark ink, black under light ink. Of an animation, the first frame.

    Parameters
    ----------
    file : BinaryIO
        Any format that Pillow reads, but for EPS, which is a program that would be run.

    Returns
    -------
    FloatArray, shape (height, width)
        0 black to 1 white, neither side longer than 500.

    Raises
    ------
    PictureError
        It is not a picture, it is damaged, or it has more than 50 million pixels, which is told before they are read.
    """
    Image.init()
    with warnings.catch_warnings():
        # Of what is odd in a picture that can be read all the same, and of large ones, which are refused here.
        warnings.simplefilter("ignore")
        try:
            with Image.open(file, formats=[name for name in Image.OPEN if name != "EPS"]) as picture:
                if picture.width * picture.height > _MOST_PIXELS:
                    raise Image.DecompressionBombError
                return _grey(picture)
        except Image.DecompressionBombError as error:
            raise PictureError(f"it has more than {_MOST_PIXELS:,} pixels; make it smaller first") from error
        except UnidentifiedImageError as error:
            raise PictureError("it is not a picture of a kind that Pillow reads") from error
        # There is no end to what decoders raise on damaged files.
        except Exception as error:
            raise PictureError(f"the picture is damaged ({error})") from error


def _grey(picture: Image.Image) -> FloatArray:
    picture.draft("RGB", (_LONGEST, _LONGEST))  # lets a JPEG be decoded at a fraction of its size
    ImageOps.exif_transpose(picture, in_place=True)
    colours = _eight_bits(picture).convert("RGBA")
    colours.thumbnail((_LONGEST, _LONGEST))
    values = np.asarray(colours, np.float64) / 255
    opacity = values[..., 3:]
    # What can be seen is mostly paper where it covers most of the picture, and ink where it covers little.
    light = (values[..., :3] * opacity).mean() > 0.5 * opacity.mean()
    behind = light if opacity.mean() > 0.5 else not light
    values = values[..., :3] * opacity + (1 - opacity) * behind
    grey: FloatArray = values[..., values.std(axis=(0, 1)).argmax()]
    return grey


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return a picture whose pixels are one large number each (16 bits, or a float) as one of 0..255."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.nan_to_num(np.asarray(picture, np.float64), posinf=0, neginf=0)
    span = np.ptp(values)
    return Image.fromarray(((values - values.min()) * (255 / span if span else 0) + 0.5).astype(np.uint8))
