"""Picture files: all common kinds are read upright; files that are too large, damaged or not pictures are rejected."""

import io
import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mnist.reading import picture as module
from mnist.reading.picture import PictureError, read_grey

# A dark L on light paper, on its side until EXIF turns it.
L_SHAPE = np.full((40, 30), 220, np.uint8)
L_SHAPE[5:35, 5:10] = L_SHAPE[30:35, 5:25] = 20


def encoded(picture: Image.Image, kind: str, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    file.seek(0)
    return file


def looks_like_the_l(grey: np.ndarray) -> bool:
    return grey.shape == L_SHAPE.shape and np.abs(grey - L_SHAPE / 255).max() < 0.06


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "YCbCr"])
def test_a_picture_is_read_in_every_mode(mode: str) -> None:
    kind = {"CMYK": "TIFF", "F": "TIFF", "YCbCr": "TIFF"}.get(mode, "PNG")
    grey = Image.fromarray(L_SHAPE)
    picture = Image.fromarray(L_SHAPE.astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    read = read_grey(encoded(picture, kind))
    if mode == "1":  # dithering: dark areas have few white dots
        assert read[L_SHAPE < 100].mean() < 0.2
        assert read[L_SHAPE > 100].mean() > 0.7
    elif mode in {"I;16", "F"}:  # from the darkest to the brightest pixel
        assert np.array_equal(read, L_SHAPE > 100)
    else:
        assert looks_like_the_l(read)


def test_cmyk_in_a_jpeg_is_not_inverted() -> None:
    assert looks_like_the_l(read_grey(encoded(Image.fromarray(L_SHAPE).convert("CMYK"), "JPEG", quality=95)))


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [(1, None), (3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_90), (8, Image.Transpose.ROTATE_270)],
)
def test_a_photograph_is_turned_upright(orientation: int, turn: Image.Transpose | None) -> None:
    picture = Image.fromarray(L_SHAPE)
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = picture.transpose(turn) if turn is not None else picture
    assert looks_like_the_l(read_grey(encoded(lying, "JPEG", exif=exif, quality=95)))


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.fromarray(L_SHAPE), Image.new("L", (30, 40), 128), Image.new("L", (30, 40), 0)]
    file = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert looks_like_the_l(read_grey(file))


@pytest.mark.parametrize(("ink", "paper"), [(0, 1.0), (255, 0.0)])
def test_transparent_pixels_become_the_opposite_of_the_ink(ink: int, paper: float) -> None:
    alpha = np.where(L_SHAPE < 100, 255, 0).astype(np.uint8)
    picture = Image.fromarray(np.stack([np.full_like(alpha, ink), alpha], axis=-1))
    grey = read_grey(encoded(picture, "PNG"))
    assert (grey[L_SHAPE < 100] == ink / 255).all()
    assert (grey[L_SHAPE > 100] == paper).all()


@pytest.mark.parametrize(("ink", "paper"), [((255, 230, 0), (255, 255, 255)), ((0, 0, 160), (120, 0, 0))])
def test_coloured_ink_stands_out(ink: tuple[int, ...], paper: tuple[int, ...]) -> None:
    dark = L_SHAPE < 100
    grey = read_grey(encoded(Image.fromarray(np.where(dark[..., None], ink, paper).astype(np.uint8)), "PNG"))
    assert abs(grey[dark].mean() - grey[~dark].mean()) > 0.4


def test_a_large_picture_is_made_smaller() -> None:
    assert read_grey(encoded(Image.new("RGB", (3000, 1500)), "JPEG")).shape == (250, 500)


def bomb(width: int, height: int) -> bytes:
    """Return a PNG of less than a kilobyte whose header claims this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))


@pytest.mark.parametrize("size", [(20_000, 20_000), (10_000, 9_000), (2**31 - 1, 2**31 - 1)])
def test_a_huge_picture_is_rejected_before_memory_is_taken_for_it(size: tuple[int, int]) -> None:
    tracemalloc.start()
    with pytest.raises(PictureError, match="more than 50,000,000 pixels"):
        read_grey(io.BytesIO(bomb(*size)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize("size", [(1, 50_000_000), (50_000_000, 1), (100_001, 1)])
def test_a_long_line_of_pixels_is_rejected_before_memory_is_taken_for_it(size: tuple[int, int]) -> None:
    with pytest.raises(PictureError, match="a side of more than 100,000 pixels"):
        read_grey(io.BytesIO(bomb(*size)))


def test_a_long_file_is_rejected_before_it_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    file = io.BytesIO(bytes(5000))
    with pytest.raises(PictureError, match="more than 1,000 bytes"):
        read_grey(file)
    assert file.tell() == 1001


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"no picture"])
def test_a_file_that_is_not_a_picture_is_rejected(data: bytes) -> None:
    with pytest.raises(PictureError, match=r"not a picture|damaged"):
        read_grey(io.BytesIO(data))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "ICO"])
def test_a_damaged_picture_is_rejected_or_read_and_never_ends_otherwise(kind: str) -> None:
    rng, whole = np.random.default_rng(0), encoded(Image.fromarray(L_SHAPE).convert("RGB"), kind).getvalue()
    rejected = 0
    for _ in range(60):
        data = bytearray(whole[: rng.integers(1, len(whole) + 1)])
        for place in rng.integers(0, len(data), rng.integers(0, 5)):
            data[place] = rng.integers(256)
        try:
            grey = read_grey(io.BytesIO(bytes(data)))
        except PictureError:
            rejected += 1
        else:
            assert np.isfinite(grey).all()
            assert max(grey.shape) <= 500
    assert rejected
