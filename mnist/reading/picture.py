"""Opens picture files of all kinds safely, turns them upright, shrinks large ones, and returns their brightness."""

import io
import warnings
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from mnist.errors import MnistError

# The most bytes and pixels that are read. Decoding takes up to 400 MB of memory, and 1.1 GB for 16-bit or float pixels.
MOST_BYTES = 400_000_000
_MOST_PIXELS = 50_000_000
# The longest side in pixels: for a longer one Pillow makes an intermediate picture that exceeds these limits.
_LONGEST_SIDE = 100_000
# A larger picture is shrunk until neither side has more pixels than this.
_LONGEST = 500


class PictureError(MnistError):
    """A file that is not a picture, is damaged, or is too large to be opened."""


def read_grey(file: BinaryIO) -> NDArray[np.float64]:
    """Return the brightness of a picture, upright; a large picture is shrunk.

    The result is the colour channel in which the picture varies most: in it, any ink stands out from any paper.
    Transparent pixels become paper: white under dark ink, black under light ink. Of an animation, the first frame is
    used.

    Reads any format that Pillow reads, except EPS, because Pillow would run it as a program; `file` does not have to be
    seekable. Returns (height, width), 0 black to 1 white, neither side longer than 500. Raises PictureError if the file
    is not a picture or is damaged. A file of more than 400 MB, 50 million pixels or 100,000 pixels in a line is not
    decoded, and raises it too.
    """
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise PictureError(f"it has more than {MOST_BYTES:,} bytes; make it smaller first")
    Image.init()
    with warnings.catch_warnings():
        # Pillow warns about odd pictures that it can read, and about large ones, which this function rejects.
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
        # On damaged files, decoders raise errors of any type.
        except Exception as error:
            raise PictureError(f"the picture is damaged ({error})") from error


def _grey(picture: Image.Image) -> NDArray[np.float64]:
    picture.draft("RGB", (_LONGEST, _LONGEST))  # lets a JPEG be decoded at a fraction of its size
    ImageOps.exif_transpose(picture, in_place=True)
    colours = _eight_bits(picture).convert("RGBA")
    colours.thumbnail((_LONGEST, _LONGEST))
    values = np.asarray(colours, np.float64) / 255
    opacity = values[..., 3:]
    # The visible part is mostly paper if it covers most of the picture, and ink if it covers little of it.
    light = (values[..., :3] * opacity).mean() > 0.5 * opacity.mean()
    behind = light if opacity.mean() > 0.5 else not light
    values = values[..., :3] * opacity + (1 - opacity) * behind
    grey: NDArray[np.float64] = values[..., values.std(axis=(0, 1)).argmax()]
    return grey


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Scale a picture with pixels of 16 bits or floats to pixels 0..255."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.nan_to_num(np.asarray(picture, np.float64), posinf=0, neginf=0)
    span = np.ptp(values)
    return Image.fromarray(((values - values.min()) * (255 / span if span else 0) + 0.5).astype(np.uint8))
