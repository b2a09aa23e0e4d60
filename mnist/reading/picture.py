"""Picture files of all kinds, opened safely and turned upright: their brightness, made smaller where they are large."""

import io
import warnings
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from mnist.errors import MnistError

# At most so many bytes and pixels are read. Decoded they take 400 MB, and 1.1 GB where each is one large number.
MOST_BYTES = 400_000_000
_MOST_PIXELS = 50_000_000
# Of a longer line of pixels Pillow makes an intermediate picture that is larger than both.
_LONGEST_SIDE = 100_000
# A larger picture is made smaller, to so many pixels a side.
_LONGEST = 500


class PictureError(MnistError):
    """A file that is not a picture, is damaged, or is too large to be opened."""


def read_grey(file: BinaryIO) -> NDArray[np.float64]:
    """Return a picture's brightness, upright, made smaller where it is large.

    The result is the colour, of the three, in which the picture varies most: any ink stands out from any paper in it.
    Transparent pixels become paper, white under dark ink and black under light ink. An animation gives its first frame.

    Takes any format that Pillow reads, except EPS, which is a program that would be run; `file` need not be seekable.
    Returns (height, width), 0 black to 1 white, neither side longer than 500. Raises PictureError where the file is no
    picture, is damaged, or has more than 400 MB or 50 million pixels or 100,000 in a line, which are not decoded then.
    """
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise PictureError(f"it has more than {MOST_BYTES:,} bytes; make it smaller first")
    Image.init()
    with warnings.catch_warnings():
        # Pillow warns of odd pictures that it can read, and of large ones, which are rejected here.
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(data), formats=[name for name in Image.OPEN if name != "EPS"]) as picture:
                if picture.width * picture.height > _MOST_PIXELS:
                    raise Image.DecompressionBombError
                if max(picture.size) > _LONGEST_SIDE:
                    raise PictureError(f"it has a side of more than {_LONGEST_SIDE:,} pixels; cut it first")
                return _grey(picture)
        except Image.DecompressionBombError as error:
            raise PictureError(f"it has more than {_MOST_PIXELS:,} pixels; make it smaller first") from error
        except UnidentifiedImageError as error:
            raise PictureError("it is not a picture in a format that Pillow reads") from error
        except PictureError:
            raise
        # Decoders raise errors of any type on damaged files.
        except Exception as error:
            raise PictureError(f"the picture is damaged ({error})") from error


def _grey(picture: Image.Image) -> NDArray[np.float64]:
    picture.draft("RGB", (_LONGEST, _LONGEST))  # lets a JPEG be decoded at a fraction of its size
    ImageOps.exif_transpose(picture, in_place=True)
    colours = _eight_bits(picture).convert("RGBA")
    colours.thumbnail((_LONGEST, _LONGEST))
    values = np.asarray(colours, np.float64) / 255
    opacity = values[..., 3:]
    # The visible part is mostly paper where it covers most of the picture, and ink where it covers little.
    light = (values[..., :3] * opacity).mean() > 0.5 * opacity.mean()
    behind = light if opacity.mean() > 0.5 else not light
    values = values[..., :3] * opacity + (1 - opacity) * behind
    grey: NDArray[np.float64] = values[..., values.std(axis=(0, 1)).argmax()]
    return grey


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return a picture whose pixels are one large number each (16 bits, or a float) as one of 0..255."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.nan_to_num(np.asarray(picture, np.float64), posinf=0, neginf=0)
    span = np.ptp(values)
    return Image.fromarray(((values - values.min()) * (255 / span if span else 0) + 0.5).astype(np.uint8))
