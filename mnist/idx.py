"""IDX, the file format of MNIST: bytes <-> uint8 arrays, strictly.

A file is a header and the values in row-major order (http://yann.lecun.com/exdb/mnist, "The IDX file format"):
two zero bytes, a byte for the type of the values (8: uint8), a byte for the number of dimensions, then the size of each
dimension as a big-endian 32-bit integer.
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mnist.arrays import ByteArray
from mnist.errors import MnistError

_UINT8 = 0x08
_OTHER_TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
_MAX_RANK = 3
_LONGEST_HEADER = 4 + 4 * _MAX_RANK


class IdxError(MnistError):
    """Bytes that are not an IDX file of uint8 values."""


def parse(data: bytes, name: str = "IDX data") -> ByteArray:
    """Return the values of an IDX file that is in memory.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        What to call the file in an error.

    Returns
    -------
    ByteArray
        The values in the shape that the header tells, as a read-only view of `data`.

    Raises
    ------
    IdxError
        The header is not that of uint8 values, or the length is not what the header says.
    """
    shape, header_size = _parse_header(data[:_LONGEST_HEADER], len(data), name)
    return np.frombuffer(data, np.uint8, offset=header_size).reshape(shape)


def encode(values: ByteArray) -> bytes:
    """Return the IDX file of an array of one to three dimensions, none of them zero: the inverse of `parse`."""
    return header(values.shape) + values.tobytes()


def header(shape: tuple[int, ...]) -> bytes:
    """Return what stands before the values of an array of that shape, for a file that is written piece by piece."""
    return struct.pack(f">2xBB{len(shape)}I", _UINT8, len(shape), *shape)


def read(path: Path) -> ByteArray:
    """Return the values of the IDX file at `path`; raises IdxError as `parse` does, OSError where it cannot be read."""
    return parse(path.read_bytes(), str(path))


def read_shape(path: Path) -> tuple[int, ...]:
    """Return the shape of the IDX file at `path` without reading its values; raises as `read` does."""
    return _read_header(path)[0]


def read_chunks(path: Path, rows: int) -> Iterator[ByteArray]:
    """Yield the values of the IDX file at `path`, `rows` of its first dimension at a time, the last chunk shorter.

    Memory is bounded by one chunk, however large the file. Raises as `read` does.
    """
    (count, *row_shape), header_size = _read_header(path)
    with path.open("rb") as file:
        file.seek(header_size)
        for start in range(0, count, rows):
            shape = (min(rows, count - start), *row_shape)
            chunk = np.fromfile(file, np.uint8, math.prod(shape))
            if chunk.size != math.prod(shape):
                raise IdxError(f"{path}: became shorter while it was read")
            yield chunk.reshape(shape)


def _read_header(path: Path) -> tuple[tuple[int, ...], int]:
    with path.open("rb") as file:
        return _parse_header(file.read(_LONGEST_HEADER), path.stat().st_size, str(path))


def _parse_header(head: bytes, file_size: int, name: str) -> tuple[tuple[int, ...], int]:
    """Return the shape and the size of the header, after checking both against the size of the file."""
    if len(head) < 4 or head[:2] != b"\0\0":
        raise IdxError(f"{name}: not an IDX file: it begins with {head[:4]!r} instead of two zero bytes, type and rank")
    value_type, rank = head[2], head[3]
    if value_type != _UINT8:
        known = _OTHER_TYPES.get(value_type, "no IDX type")
        raise IdxError(f"{name}: its values have type 0x{value_type:02x} ({known}); only uint8 (0x08) is read")
    if not 1 <= rank <= _MAX_RANK:
        raise IdxError(f"{name}: has {rank} dimensions; labels have one and images three")
    header_size = 4 + 4 * rank
    if len(head) < header_size:
        raise IdxError(f"{name}: ends within its header, at byte {len(head)} of {header_size}")
    shape = struct.unpack(f">{rank}I", head[4:header_size])
    sizes = " x ".join(map(str, shape))
    if 0 in shape:
        raise IdxError(f"{name}: holds no values: its header says {sizes}")
    expected = header_size + math.prod(shape)
    if file_size != expected:
        raise IdxError(f"{name}: has {file_size} bytes, but its header ({sizes}) asks for {expected}; is it cut off?")
    return shape, header_size
