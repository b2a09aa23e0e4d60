"""Files that are either whole or not there (write beside, flush to disk, rename), and the plain formats in them."""

import csv
import glob
import hashlib
import io
import json
import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mnist.errors import MnistError


class DamagedFileError(MnistError):
    """A file that the project wrote and that does not hold any more what was written."""


# Inside `together`: the file to be replaced -> the complete one that waits beside it.
_waiting: ContextVar[dict[Path, Path] | None] = ContextVar("_waiting", default=None)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` only once it is complete and on disk.

    Until the block ends without an error, and the block of `together` around it if there is one, `path` holds what it
    held before; after an error the unfinished file is removed. Missing folders are made.

    Parameters
    ----------
    path : Path
        The file to write.

    Yields
    ------
    BinaryIO
        The unfinished file, open for writing.

    Raises
    ------
    OSError
        The folder cannot be written, or the disk is full; it names `path`.
    """
    waiting = _waiting.get()
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process number keeps two writers of one file apart; the file is in the same folder because a rename is atomic
    # only within a file system.
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.partial")
    _remove_what_the_dead_left(path)
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if waiting is None:
            unfinished.replace(path)
            _flush_folder(path.parent)
        else:
            waiting[path] = unfinished
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        # Of a full disk neither Python nor NumPy tells which file met it.
        if isinstance(error, OSError) and error.filename is None:
            raise OSError(error.errno, f"cannot be written: {error.strerror or error}", str(path)) from error
        raise


@contextmanager
def together() -> Iterator[None]:
    """Have the files that the block writes take their places at its end, one right after another.

    After an error none of them does, so that files that belong to each other stay so.
    """
    waiting: dict[Path, Path] = {}
    token = _waiting.set(waiting)
    try:
        yield
        for path, unfinished in waiting.items():
            unfinished.replace(path)
        for folder in {path.parent for path in waiting}:
            _flush_folder(folder)
    finally:
        _waiting.reset(token)
        for unfinished in waiting.values():
            unfinished.unlink(missing_ok=True)


def _remove_what_the_dead_left(path: Path) -> None:
    """Remove unfinished files that stand for `path` and whose writers were killed, where the system tells (posix)."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial") if os.name == "posix" else ():
        writer = left.name.split(".")[-2]
        try:
            os.kill(int(writer), 0)
        except ProcessLookupError:
            left.unlink(missing_ok=True)
        except (ValueError, OverflowError, PermissionError):
            continue  # not ours, or somebody's who is alive


def _flush_folder(folder: Path) -> None:
    """Bring the rename itself to disk, where the system lets a folder be opened (not on Windows)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def save_bytes(path: Path, data: bytes) -> None:
    """Write a file of bytes that are in memory."""
    with atomic_write(path) as file:
        file.write(data)


def save_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON; raises MnistError where a number in it is not finite, which JSON cannot say."""
    try:
        text = json.dumps(value, indent=2, allow_nan=False)
    except ValueError as error:
        raise MnistError(f"{path}: is not written, because a figure for it is not a finite number: {value}") from error
    save_bytes(path, f"{text}\n".encode())


def load_json(path: Path) -> dict[str, Any]:
    """Return what `save_json` wrote; raises DamagedFileError where the file does not hold a JSON object."""
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path}: is damaged ({error}); `dvc repro` makes it again") from error
    if not isinstance(value, dict):
        raise DamagedFileError(f"{path}: should hold a table of names and values")
    return value


def save_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table with one line of names."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    save_bytes(path, text.getvalue().encode())


def load_numbers(path: Path, header: Sequence[str]) -> list[dict[str, float]]:
    """Return the rows of a table of numbers that `save_csv` wrote under these names; raises DamagedFileError."""
    rows = load_csv(path, header)
    try:
        return [{name: float(value) for name, value in row.items()} for row in rows]
    except ValueError as error:
        raise DamagedFileError(f"{path}: is damaged ({error}); `dvc repro --force` makes it again") from error


def load_csv(path: Path, header: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a table that `save_csv` wrote under these names; raises DamagedFileError."""
    try:
        first, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
        if first != list(header):
            raise ValueError(f"it begins with {first}")
        return [dict(zip(header, row, strict=True)) for row in rows]
    except (ValueError, csv.Error) as error:
        raise DamagedFileError(f"{path}: is damaged ({error}); `dvc repro --force` makes it again") from error


_DIGESTS = "SHA256SUMS"

_LARGE = 256 * 2**20  # bytes


def save_digests(folder: Path, kind: str) -> None:
    """Write a file SHA256SUMS of all files in a folder but hidden ones, in the form that `sha256sum --check` reads.

    Parameters
    ----------
    folder : Path
        Whose files.
    kind : str
        What they are together, and in which format: a remark in the first line.
    """
    contents = _contents(folder)
    lines = [f"{sha256_of(contents[name])}  {name}\n" for name in sorted(contents)]
    save_bytes(folder / _DIGESTS, "".join([f"# {kind}\n", *lines]).encode())


def check_digests(folder: Path, kind: str) -> str:
    """Check all files of a folder against its SHA256SUMS, and return the text of that: the name of what it holds.

    Raises
    ------
    DamagedFileError
        A file is not what was written, down to the last bit, or is not listed, or SHA256SUMS is not such a file, or of
        another kind.
    OSError
        A file is missing.
    """
    listed = folder / _DIGESTS
    text = listed.read_text(encoding="utf-8", errors="replace")
    first, *lines = text.splitlines() or [""]
    if first != f"# {kind}":
        raise DamagedFileError(
            f"{listed}: should begin with '# {kind}', not {first[:100]!r}; `dvc repro` makes it again"
        )
    listing = [line.partition("  ")[::2] for line in lines]
    unlisted = _contents(folder).keys() - {name for _, name in listing}
    if unlisted:
        raise DamagedFileError(
            f"{listed}: does not list {', '.join(sorted(unlisted))}; `dvc repro --force` makes all of the folder again"
        )
    for digest, name in listing:
        if not name or Path(name).name != name:
            raise DamagedFileError(f"{listed}: is damaged; `dvc repro --force` makes it again")
        if sha256_of(folder / name) != digest:
            raise DamagedFileError(f"{folder / name}: is damaged; `dvc repro --force` makes it again")
    return text


def _contents(folder: Path) -> dict[str, Path]:
    """Return by name the files that SHA256SUMS should list, those that wait in place of those they replace."""
    waiting = _waiting.get() or {}
    paths = {path.name: path for path in folder.glob("[!.]*")}
    paths |= {path.name: unfinished for path, unfinished in waiting.items() if path.parent == folder}
    paths.pop(_DIGESTS, None)
    return paths


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_array(path: Path, values: NDArray[Any]) -> None:
    """Write one array as a .npy file."""
    with atomic_write(path) as file:
        np.save(file, values, allow_pickle=False)


def release_pages(array: NDArray[Any]) -> None:
    """Let go of the memory that a large array of `load_array` has come to take; its values are read again as needed.

    Otherwise what has been looked at stays, up to the size of the file. Arrays below 256 MB stay where they are, as do
    all where the system has no such call (Windows).
    """
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and len(base) >= _LARGE and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def load_array(path: Path) -> NDArray[Any]:
    """Map a .npy file into memory, read-only; raises DamagedFileError where it is not one, OSError where none is."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except OSError:
        raise
    # NumPy reads the header with Python's own parser, and there is no end to what that may raise.
    except Exception as error:
        raise DamagedFileError(f"{path}: is damaged ({error}); `dvc repro --force` makes it again") from error
    # A plain view: numpy.memmap itself takes several times as long to index.
    return np.asarray(array)
