"""Download: only the digest decides whether a file is accepted, and every failure of a source is reported."""

import gzip
import resource
import tracemalloc
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mnist.data.download import DownloadError, fetch
from mnist.data.published import DATASETS, Publication, RawFile
from mnist.data.sources import Source
from mnist.data.web import SourceError

CONTENT = {"images": bytes(4) + bytes(range(100)) * 600, "labels": bytes(4) + bytes(range(10)) * 8}
# Another data set has files with the same names and sizes.
OTHER = {name: data[:-1] + b"\1" for name, data in CONTENT.items()}
PACKED = {name: gzip.compress(data) for name, data in CONTENT.items()}
PUBLISHED = {
    name: Publication(
        [RawFile(file, len(data), sha256(data).hexdigest()) for file, data in files.items()], [], [], None
    )
    for name, files in {"other": OTHER, "some": CONTENT}.items()
}
IMAGES, LABELS = PUBLISHED["some"].files
# 40 MB that compress to fewer bytes than the uncompressed images have.
BOMB = gzip.compress(bytes(40_000_000))


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, published in PUBLISHED.items():
        monkeypatch.setitem(DATASETS, name, published)


def source_of(files: dict[str, bytes]) -> Source:
    """Return a source that has some files and lacks all others."""

    def bring(file: RawFile) -> bytes:
        if file.name not in files:
            raise SourceError(f"has no {file.name}")
        return files[file.name]

    return bring


class Home:
    """The folder of a test's downloads, and the cache of its user."""

    def __init__(self, root: Path) -> None:
        self.target = root / "raw"
        self.cache = root / "cache"

    def fetch(self, **files_of_sources: dict[str, bytes]) -> dict[str, str]:
        """Fetch from sources of these names and files, and return which source each file came from."""
        sources = {name: source_of(files) for name, files in files_of_sources.items()}
        return {file.name: name for file, name in fetch("some", self.target, sources, self.cache)}

    def message(self, **files_of_sources: dict[str, bytes]) -> str:
        """Fetch without success, and return the message."""
        with pytest.raises(DownloadError) as caught:
            self.fetch(**files_of_sources)
        return str(caught.value)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def write(place: Path, files: dict[str, bytes]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (place / name).write_bytes(data)


def content(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir()}


@pytest.mark.parametrize("files", [CONTENT, PACKED], ids=["plain", "gzip"])
def test_files_arrive_in_the_target_and_in_the_cache_packed_or_not(files: dict[str, bytes], home: Home) -> None:
    assert home.fetch(first=files) == {"images": "first", "labels": "first"}
    assert content(home.target) == content(home.cache) == CONTENT


def test_files_may_come_from_several_sources_and_the_best_one_is_asked_first(home: Home) -> None:
    found = home.fetch(first={"images": CONTENT["images"]}, second=PACKED, third=CONTENT)
    assert found == {"images": "first", "labels": "second"}
    assert content(home.target) == CONTENT


WRONG = {
    "nothing": (b"", "images is neither IDX nor gzip, but begins with b''"),
    "a page": (b"<html>Sign in", "begins with b'<html>Sign in'; is it an error page?"),
    "too little": (CONTENT["images"][:-1], f"images has {IMAGES.size - 1} bytes instead of {IMAGES.size}"),
    "too much": (CONTENT["images"] + b"\0", f"images has more than {IMAGES.size} bytes instead of {IMAGES.size}"),
    "zeros": (bytes(IMAGES.size), f"its images has another SHA-256, {sha256(bytes(IMAGES.size)).hexdigest()}"),
    "another data set": (OTHER["images"], "its images belongs to another data set, other"),
    "another data set, packed": (gzip.compress(OTHER["images"]), "its images belongs to another data set, other"),
    "gzip without its end": (PACKED["images"][:-9], "images is a damaged gzip file"),
    "damaged gzip": (PACKED["images"][:20] + bytes(99), "images is a damaged gzip file"),
    "the first bytes of gzip": (PACKED["images"][:2], "images is a damaged gzip file"),
    "a decompression bomb": (BOMB, f"images has more than {IMAGES.size} bytes"),
}


@pytest.mark.parametrize(("data", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_rejected_with_the_reason_and_the_next_source_is_asked(
    data: bytes, reason: str, home: Home
) -> None:
    message = home.message(bad={"images": data})
    assert reason in message.split("    bad: ")[1]
    assert not home.target.exists()
    assert home.fetch(bad={"images": data}, good=CONTENT) == {"images": "good", "labels": "good"}
    assert content(home.target) == CONTENT


def test_a_decompression_bomb_takes_no_memory(home: Home) -> None:
    tracemalloc.start()
    try:
        home.message(bomb={"images": BOMB})
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_source_that_fails_is_named_even_when_another_succeeds(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(home.fetch(mirror={}, web=CONTENT).values()) == {"web"}
    assert capsys.readouterr().err == "warning: mirror: has no images\n"


def test_too_little_memory_is_a_failure_of_the_source(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gzip.open

    def exhaust(_: Any) -> Any:
        monkeypatch.setattr(gzip, "open", whole)
        raise MemoryError

    monkeypatch.setattr(gzip, "open", exhaust)
    assert home.fetch(first=PACKED, second=PACKED) == {"images": "second", "labels": "second"}


def test_when_all_sources_fail_the_message_says_what_is_missing_why_and_what_to_do(home: Home) -> None:
    message = home.message(first={"images": CONTENT["images"]}, second={}, third={"labels": b"<html>"})
    assert message.startswith("The data set some cannot be downloaded. No source has the files that are missing in ")
    assert f"labels  ({LABELS.size} bytes, SHA-256 {LABELS.sha256})" in message
    assert IMAGES.sha256 not in message
    reasons = [line.strip().partition(": ")[::2] for line in message.splitlines() if line.startswith("    ")][1:]
    assert reasons[:2] == [("first", "has no labels"), ("second", "has no labels")]
    assert reasons[2][1].startswith("labels is neither IDX nor gzip")
    assert "set MNIST_MIRROR to a folder or an http(s) address" in message
    assert f"put them, uncompressed, into {home.target} by hand" in message.replace("\n  ", " ")
    # The file that has arrived stays.
    assert content(home.target) == content(home.cache) == {"images": CONTENT["images"]}


def test_files_that_are_right_are_not_fetched_again(home: Home) -> None:
    write(home.target, {"labels": CONTENT["labels"]})
    assert home.fetch(first=CONTENT) == {"images": "first"}
    assert home.fetch() == {}


@pytest.mark.parametrize("wrong", [b"wrong", bytes(IMAGES.size), CONTENT["images"] + b"\0", OTHER["images"]], ids=len)
def test_a_wrong_file_in_target_or_cache_is_replaced(wrong: bytes, home: Home) -> None:
    write(home.target, CONTENT | {"images": wrong})
    write(home.cache, {"images": wrong})
    assert home.fetch(cache={"images": wrong}, first=CONTENT) == {"images": "first"}
    assert content(home.target) == CONTENT
    assert content(home.cache) == {"images": CONTENT["images"]}


def test_a_full_disk_is_an_os_error_that_names_the_file(home: Home) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files simulates the full disk; Python ignores the signal that comes with it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (IMAGES.size - 1, limits[1]))
    try:
        with pytest.raises(OSError, match="cannot be written: File too large") as caught:
            home.fetch(first=CONTENT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(home.target / "images")
    assert content(home.target) == {}
    home.fetch(first=CONTENT)
    assert content(home.target) == CONTENT


def test_a_target_that_cannot_be_written_is_an_os_error_that_names_the_file(home: Home) -> None:
    home.target.write_bytes(b"in the way")
    with pytest.raises(OSError, match="cannot be written") as caught:
        home.fetch(first=CONTENT)
    assert caught.value.filename == str(home.target / "images")


@pytest.mark.parametrize("place", ["file", "file/folder"])
def test_a_cache_that_cannot_be_written_does_not_matter(place: str, home: Home) -> None:
    write(home.cache.parent, {"file": b"in the way"})
    home.cache = home.cache.with_name("file") / place.partition("/")[2]
    home.fetch(first=CONTENT)
    assert content(home.target) == CONTENT
