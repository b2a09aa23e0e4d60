"""IDX: exact round trips, and for any other bytes an error that names the file and its fault, never wrong values."""

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mnist import idx
from mnist.arrays import ByteArray
from mnist.idx import IdxError

ARRAYS = arrays(np.uint8, array_shapes(min_dims=1, max_dims=3, max_side=5))
IMAGES = np.random.default_rng(0).integers(0, 256, (7, 4, 3), dtype=np.uint8)


def damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """Draw what a file is after an accident: its end lost, something added, or some bytes changed."""
    place, some = st.integers(0, len(data) - 1), st.binary(min_size=1, max_size=4)
    return st.one_of(
        place.map(lambda end: data[:end]),
        some.map(lambda more: data + more),
        st.builds(lambda at, new: data[:at] + new + data[at + len(new) :], place, some),
    )


def header(*sizes: int, rank: int | None = None, value_type: int = 8) -> bytes:
    return struct.pack(f">2xBB{len(sizes)}I", value_type, len(sizes) if rank is None else rank, *sizes)


def read_in_chunks(path: Path) -> ByteArray:
    return np.concatenate(list(idx.read_chunks(path, 2)))


READERS: list[Callable[[Path], Any]] = [idx.read, idx.read_shape, read_in_chunks]

FAULTS = {
    "empty": (b"", "begins with b''"),
    "short": (b"\0\0\x08", r"not an IDX file: it begins with b'\\x00\\x00\\x08'"),
    "gzip": (b"\x1f\x8b\x08\0\0\0", r"not an IDX file: it begins with b'\\x1f\\x8b"),
    "page": (b"<!DOCTYPE html>", r"not an IDX file: it begins with b'<!DO' instead of two zero bytes"),
    "floats": (header(1, value_type=0x0D) + bytes(4), r"type 0x0d \(float32\); only uint8"),
    "no type": (header(1, value_type=0x42) + bytes(1), r"type 0x42 \(no IDX type\)"),
    "rank 0": (header() + bytes(1), "has 0 dimensions"),
    "rank 4": (header(1, 1, 1, 1) + bytes(1), "has 4 dimensions; labels have one and images three"),
    "cut header": (header(1, 28, rank=3), "ends within its header, at byte 12 of 16"),
    "no values": (header(3, 0), "holds no values: its header says 3 x 0"),
    "cut off": (header(2, 3) + bytes(5), r"has 17 bytes, but its header \(2 x 3\) asks for 18; is it cut off"),
    "too long": (header(2, 3) + bytes(7), r"has 19 bytes, but its header \(2 x 3\) asks for 18"),
    "huge": (
        header(*[2**32 - 1] * 3) + bytes(9),
        r"has 25 bytes, but its header .* asks for 79228162458924105385300197391",
    ),
}


@given(ARRAYS)
def test_parse_is_the_inverse_of_encode(values: ByteArray) -> None:
    parsed = idx.parse(idx.encode(values))
    np.testing.assert_array_equal(parsed, values, strict=True)
    assert not parsed.flags.writeable


def test_encode_writes_the_documented_layout() -> None:
    values = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    assert idx.encode(values) == bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])


def test_encode_puts_values_in_row_major_order_whatever_their_layout() -> None:
    assert idx.encode(np.asfortranarray(IMAGES)) == idx.encode(IMAGES)


def test_a_file_reads_as_its_bytes_parse(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(idx.encode(IMAGES))
    np.testing.assert_array_equal(idx.read(path), IMAGES, strict=True)
    assert idx.read_shape(path) == IMAGES.shape


@pytest.mark.parametrize("values", [IMAGES, IMAGES[:, 0, 0]], ids=["images", "labels"])
@pytest.mark.parametrize("rows", [1, 2, 3, 6, 7, 8, 10**9])
def test_chunks_of_any_size_make_up_the_file(values: ByteArray, rows: int, tmp_path: Path) -> None:
    path = tmp_path / "values"
    path.write_bytes(idx.encode(values))
    chunks = list(idx.read_chunks(path, rows))
    assert [len(chunk) for chunk in chunks[:-1]] == [rows] * ((len(values) - 1) // rows)
    np.testing.assert_array_equal(np.concatenate(chunks), values, strict=True)


@pytest.mark.parametrize(("data", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_file_that_is_not_idx_is_refused_by_name_and_fault(data: bytes, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "some-images"
    path.write_bytes(data)
    for read in READERS:
        with pytest.raises(IdxError, match=rf"some-images: .*{fault}"):
            read(path)
    with pytest.raises(IdxError, match=rf"^IDX data: .*{fault}"):
        idx.parse(data)


@pytest.mark.parametrize("read", READERS)
def test_a_missing_file_is_an_os_error(read: Callable[[Path], Any], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing")


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=40), st.binary(max_size=20).map(lambda rest: b"\0\0\x08" + rest)))
def test_arbitrary_bytes_are_refused_or_read_exactly(data: bytes) -> None:
    assert_refused_or_exact(data)


@settings(max_examples=300)
@given(ARRAYS.map(idx.encode).flatmap(damaged))
def test_a_damaged_file_is_refused_or_read_exactly(data: bytes) -> None:
    assert_refused_or_exact(data)


def assert_refused_or_exact(data: bytes) -> None:
    try:
        values = idx.parse(data)
    except IdxError:
        return
    # The format has no second spelling: what was understood must spell the same bytes.
    assert idx.encode(values) == data


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.write_bytes(idx.encode(IMAGES))
    chunks = idx.read_chunks(path, 3)
    next(chunks)
    path.write_bytes(idx.encode(IMAGES)[:-30])
    with pytest.raises(IdxError, match="images: became shorter while it was read"):
        list(chunks)


@pytest.mark.parametrize("read", READERS)
def test_huge_dimensions_in_a_tiny_file_allocate_nothing(read: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / "huge"
    path.write_bytes(FAULTS["huge"][0])
    tracemalloc.start()
    try:
        with pytest.raises(IdxError):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
