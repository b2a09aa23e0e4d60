"""IDX, the file format of MNIST: converts bytes to uint8 arrays, and rejects everything that breaks the format.

A file is a header and the values in row-major order (http://yann.lecun.com/exdb/mnist, "The IDX file format"). The
header has two zero bytes, a byte for the type of the values (8: uint8) and a byte for the number of dimensions. Then
follows the size of each dimension as a big-endian 32-bit integer.
"""

import math
import struct

import numpy as np

from mnist.data.arrays import ByteArray
from mnist.errors import MnistError

_UINT8 = 0x08
_OTHER_TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}


class IdxError(MnistError):
    """Bytes that are not an IDX file of uint8 values."""


def encode_idx(values: ByteArray) -> bytes:
    """Return the IDX file of an array of one to three dimensions, none of them zero: the inverse of `parse_idx`."""
    return struct.pack(f">2xBB{values.ndim}I", _UINT8, values.ndim, *values.shape) + values.tobytes()


def parse_idx(data: bytes, name: object) -> ByteArray:
    """Return the values of an IDX file in the shape that its header gives, as a read-only view of `data`.

    Raises IdxError, whose text begins with `name`, if the header does not describe uint8 values, or if the file has
    another length than the header gives.
    """
    if len(data) < 4 or data[:2] != b"\0\0":
        raise IdxError(f"{name}: not an IDX file: it begins with {data[:4]!r} instead of two zero bytes, type and rank")
    value_type, rank = data[2], data[3]
    if value_type != _UINT8:
        known = _OTHER_TYPES.get(value_type, "no IDX type")
        raise IdxError(f"{name}: its values have type 0x{value_type:02x} ({known}); only uint8 (0x08) is read")
    if not 1 <= rank <= 3:
        raise IdxError(f"{name}: has {rank} dimensions; labels have one and images three")
    header_size = 4 + 4 * rank
    if len(data) < header_size:
        raise IdxError(f"{name}: ends within its header, at byte {len(data)} of {header_size}")
    shape = struct.unpack(f">{rank}I", data[4:header_size])
    sizes = " x ".join(map(str, shape))
    if 0 in shape:
        raise IdxError(f"{name}: holds no values: its header says {sizes}")
    expected = header_size + math.prod(shape)
    if len(data) != expected:
        raise IdxError(f"{name}: has {len(data)} bytes, but its header ({sizes}) requires {expected}; is it cut off?")
    return np.frombuffer(data, np.uint8, offset=header_size).reshape(shape)
