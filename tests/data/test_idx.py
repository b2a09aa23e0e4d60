"""IDX: exact round trips; all other bytes give an error that names the file and its fault, never wrong values."""

import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mnist.data.arrays import ByteArray
from mnist.data.idx import IdxError, encode_idx, parse_idx
from tests.helpers import damaged

ARRAYS = arrays(np.uint8, array_shapes(min_dims=1, max_dims=3, max_side=5))


def header(*sizes: int, rank: int | None = None, value_type: int = 8) -> bytes:
    return struct.pack(f">2xBB{len(sizes)}I", value_type, len(sizes) if rank is None else rank, *sizes)


HUGE = header(*[2**32 - 1] * 3) + bytes(9)
FAULTS = {
    "empty": (b"", "begins with b''"),
    "short": (b"\0\0\x08", r"not an IDX file: it begins with b'\\x00\\x00\\x08'"),
    "page": (b"<!DOCTYPE html>", r"not an IDX file: it begins with b'<!DO' instead of two zero bytes"),
    "floats": (header(1, value_type=0x0D) + bytes(4), r"type 0x0d \(float32\); only uint8"),
    "no type": (header(1, value_type=0x42) + bytes(1), r"type 0x42 \(no IDX type\)"),
    "rank 0": (header() + bytes(1), "has 0 dimensions"),
    "rank 4": (header(1, 1, 1, 1) + bytes(1), "has 4 dimensions; labels have one and images three"),
    "cut header": (header(1, 28, rank=3), "ends within its header, at byte 12 of 16"),
    "no values": (header(3, 0), "holds no values: its header says 3 x 0"),
    "cut off": (header(2, 3) + bytes(5), r"has 17 bytes, but its header \(2 x 3\) requires 18; is it cut off"),
    "too long": (header(2, 3) + bytes(7), r"has 19 bytes, but its header \(2 x 3\) requires 18"),
    "huge": (HUGE, r"has 25 bytes, but its header .* requires 79228162458924105385300197391"),
}


@given(ARRAYS)
def test_parse_is_the_inverse_of_encode(values: ByteArray) -> None:
    parsed = parse_idx(encode_idx(values), "images")
    np.testing.assert_array_equal(parsed, values, strict=True)
    assert not parsed.flags.writeable


def test_encode_writes_the_documented_layout_for_any_memory_order() -> None:
    values = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    layout = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])
    assert encode_idx(values) == encode_idx(np.asfortranarray(values)) == layout


@pytest.mark.parametrize(("data", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_file_that_is_not_idx_is_rejected_by_name_and_fault(data: bytes, fault: str) -> None:
    with pytest.raises(IdxError, match=rf"^some-images: .*{fault}"):
        parse_idx(data, "some-images")


@settings(max_examples=200)
@given(
    st.one_of(
        st.binary(max_size=40),
        st.binary(max_size=20).map(lambda rest: b"\0\0\x08" + rest),
        ARRAYS.map(encode_idx).flatmap(damaged),
    )
)
def test_any_bytes_are_rejected_or_read_exactly(data: bytes) -> None:
    try:
        values = parse_idx(data, "images")
    except IdxError:
        return
    # The format has only one encoding: encoding the values gives the same bytes again.
    assert encode_idx(values) == data


def test_huge_dimensions_in_a_tiny_file_allocate_nothing() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(IdxError):
            parse_idx(HUGE, "images")
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
