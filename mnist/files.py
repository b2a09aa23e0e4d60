"""Saves files atomically (write a temporary file, flush it to disk, rename it), and encodes plain formats."""

import csv
import errno
import hashlib
import io
import json
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist.errors import MnistError


class DamagedFileError(MnistError):
    """A file of the project no longer holds the content that the project wrote."""


def read_file(path: Path, most: int = 1 << 32) -> bytes:
    """Return the content of a regular file of at most `most` bytes.

    Raises OSError, which names the file, if it is larger or is not a regular file: a pipe or a device may be endless.
    """
    check_file(path)
    with path.open("rb") as file:
        # Files in /proc have size 0, and reading some of them blocks forever.
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"has more than {most:,} bytes", str(path))
        return file.read(size)


def check_file(path: Path) -> None:
    """Raise OSError if a path is not a regular file. Check before opening it: opening a pipe can block forever."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is not a regular file", str(path))


def save(contents: Mapping[Path, bytes]) -> None:
    """Write files (path -> bytes) that belong together: all are complete and on disk before the first is replaced.

    Creates missing folders. Raises OSError, which names the file, if a folder cannot be written or the disk is full;
    after an error every file has its old content.
    """
    # The temporary file is in the same folder, because a rename is atomic only within a file system. A killed process
    # can leave it behind; the next save overwrites it.
    unfinished = {path: path.with_name(f".{path.name}.partial") for path in contents}
    path = Path()
    try:
        for path, data in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with unfinished[path].open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for path, complete in unfinished.items():
            complete.replace(path)
    except OSError as error:
        raise OSError(error.errno, f"cannot be written: {error.strerror or error}", str(path)) from error
    finally:
        for leftover in unfinished.values():
            # After a success there is no leftover, and a folder that cannot be written never had one.
            with suppress(OSError):
                leftover.unlink()


def encode_json(value: Mapping[str, Any]) -> bytes:
    """Return a JSON file; raises MnistError if a number is not finite, which JSON cannot express."""
    try:
        return f"{json.dumps(value, indent=2, allow_nan=False)}\n".encode()
    except ValueError as error:
        raise MnistError(f"a figure is not a finite number, which JSON cannot express: {value}") from error


def load_json(path: Path) -> dict[str, Any]:
    """Return the object of a JSON file; raises DamagedFileError if the file does not hold an object."""
    try:
        value = json.loads(read_file(path))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path}: is damaged ({error}); `dvc repro` makes it again") from error
    if not isinstance(value, dict):
        raise DamagedFileError(f"{path}: should hold a table of names and values")
    return value


def encode_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return a CSV file with one line of names."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue().encode()


def load_csv(path: Path, header: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a file that `encode_csv` made with this header; raises DamagedFileError."""
    try:
        first, *rows = csv.reader(io.StringIO(read_file(path).decode()), strict=True)
        if first != list(header):
            raise ValueError(f"it begins with {first}")
        return [dict(zip(header, row, strict=True)) for row in rows]
    except (ValueError, csv.Error) as error:
        raise DamagedFileError(f"{path}: is damaged ({error}); `dvc repro` makes it again") from error


def load_numbers(path: Path, header: Sequence[str]) -> list[dict[str, float]]:
    """Return the rows of a file of numbers that `encode_csv` made with this header; raises DamagedFileError."""
    rows = load_csv(path, header)
    try:
        return [{name: float(value) for name, value in row.items()} for row in rows]
    except ValueError as error:
        raise DamagedFileError(f"{path}: is damaged ({error}); `dvc repro` makes it again") from error


def encode_array(values: NDArray[Any]) -> bytes:
    """Return the .npy file of one array."""
    file = io.BytesIO()
    np.save(file, values, allow_pickle=False)
    return file.getvalue()


def load_array(path: Path, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the array (n,) of a file that `encode_array` made; raises DamagedFileError if it has another type."""
    data = read_file(path)
    try:
        values: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
        if values.dtype != dtype or values.ndim != 1:
            raise ValueError(f"it holds {values.dtype} {values.shape}")
    # NumPy reads the header with Python's own parser, which can raise almost anything.
    except Exception as error:
        raise DamagedFileError(f"{path}: is damaged ({error}); `dvc repro` makes it again") from error
    return values


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
