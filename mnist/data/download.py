"""Downloads the files of a data set from the first source that has them.

Only the SHA-256 of a file decides whether it is accepted. Any source will do: the bytes are the same.
"""

import gzip
import hashlib
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mnist.data.published import DATASETS, RawFile, owner_of
from mnist.data.sources import Source
from mnist.data.web import SourceError
from mnist.errors import MnistError
from mnist.files import save, sha256_of


class DownloadError(MnistError):
    """No source has the files."""


def fetch(dataset: str, target: Path, sources: dict[str, Source], cache: Path) -> Iterator[tuple[RawFile, str]]:
    """Download the files that are missing or damaged in the folder `target`; yield each with the name of its source.

    If a source fails in any way, the next source is asked. A file appears in `target` only after its digest has been
    verified. If the folder `cache` can be written, it gets a copy.

    Raises DownloadError if files are still missing in the end; the text gives the error of each source, and says what
    the user can do. Raises OSError if `target` cannot be written.
    """
    missing = [file for file in DATASETS[dataset].files if not _is_right(target / file.name, file)]
    failures: list[str] = []
    for name, source in sources.items():
        try:
            while missing:
                file = missing[0]
                data = _unpack(source(file), file)
                save({target / file.name: data})
                if not _is_right(cache / file.name, file):
                    with suppress(OSError):
                        save({cache / file.name: data})
                yield missing.pop(0), name
        except SourceError as error:
            failures.append(f"{name}: {error}")
        except MemoryError:
            failures.append(f"{name}: needs more memory than there is")
    if missing:
        raise DownloadError(_explain(dataset, missing, failures, target))
    for failure in failures:
        # The user's own cache is often empty: this needs no warning.
        if not failure.startswith(f"{cache}: "):
            print(f"warning: {failure}", file=sys.stderr)


def _unpack(packed: bytes, file: RawFile) -> bytes:
    """Uncompress a file, and return it if its size and digest are right; otherwise raise SourceError."""
    values = packed
    if packed.startswith(b"\x1f\x8b"):
        # One byte too many is enough to reject the file; a decompression bomb is cut off here.
        try:
            with gzip.open(io.BytesIO(packed)) as unpacked:
                values = unpacked.read(file.size + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"{file.name} is a damaged gzip file: {error}") from error
    elif not packed.startswith(b"\0\0"):
        raise SourceError(f"{file.name} is neither IDX nor gzip, but begins with {packed[:40]!r}; is it an error page?")
    if len(values) != file.size:
        more = "more than " if len(values) > file.size else ""
        raise SourceError(f"{file.name} has {more}{min(len(values), file.size)} bytes instead of {file.size}")
    digest = hashlib.sha256(values).hexdigest()
    if digest != file.sha256:
        owner = owner_of(digest)
        fault = f"belongs to another data set, {owner}" if owner else f"has another SHA-256, {digest}"
        raise SourceError(f"its {file.name} {fault}")
    return values


def _is_right(path: Path, file: RawFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256


def _explain(dataset: str, missing: list[RawFile], failures: list[str], target: Path) -> str:
    files = "\n".join(f"    {file.name}  ({file.size} bytes, SHA-256 {file.sha256})" for file in missing)
    reasons = "\n".join(f"    {failure}" for failure in failures)
    return (
        f"The data set {dataset} cannot be downloaded. No source has the files that are missing in {target}:\n{files}\n"
        f"  The sources, and the error of each:\n{reasons}\n"
        "  What to do: connect to the internet; or set MNIST_MIRROR to a folder or an http(s) address that has the\n"
        f"  files, with the ending .gz or without; or put them, uncompressed, into {target} by hand."
    )
