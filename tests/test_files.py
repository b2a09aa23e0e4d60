"""Files on disk: an interruption leaves no partial file, round trips are exact, errors name damaged files."""

import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from mnist.errors import MnistError
from mnist.files import (
    DamagedFileError,
    encode_array,
    encode_csv,
    encode_json,
    load_array,
    load_csv,
    load_json,
    load_numbers,
    read_file,
    save,
    sha256_of,
)
from tests.helpers import ROOT, Trap, damaged

NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.dictionaries(st.text(max_size=3), NUMBERS | st.text(max_size=3) | st.lists(NUMBERS, max_size=2), max_size=3)
DTYPES = st.sampled_from([np.dtype(name) for name in ("uint8", "float32", "i4,u1")])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a file, shared because Hypothesis does not make a new folder for each example."""
    return tmp_path_factory.mktemp("files") / "file"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return an existing file, alone in its folder."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_save_creates_missing_folders(old: Path) -> None:
    save({old: b"new", old.parent / "a/b/other": b"new"})
    assert old.read_bytes() == (old.parent / "a/b/other").read_bytes() == b"new"
    assert {path.name for path in old.parent.rglob("*")} == {"file", "a", "b", "other"}


@pytest.mark.parametrize("place", [0, 1], ids=["first", "second"])
def test_a_full_disk_names_the_file_and_leaves_all_that_was_there(place: int, old: Path) -> None:
    other = old.with_name("other")
    contents = {old: b"new", other: b"new"} | {[old, other][place]: bytes(10_000)}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files simulates the full disk; Python ignores the signal that comes with it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="cannot be written: File too large") as caught:
            save(contents)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str([old, other][place])
    assert content(old.parent) == {"file": b"old"}


def test_a_place_that_cannot_be_written_is_named(old: Path) -> None:
    for place in (old / "below", old.parent):
        with pytest.raises(OSError, match="cannot be written: ") as caught:
            save({place: b"new"})
        assert caught.value.filename == str(place)
    assert content(old.parent) == {"file": b"old"}


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_all_that_was_there(
    interruption: type[BaseException], old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def interrupt(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise interruption

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(interruption):
        save({old: b"new", old.with_name("other"): b"new"})
    assert content(old.parent) == {"file": b"old"}


def test_a_kill_leaves_all_that_was_there_and_the_next_save_removes_its_leftovers(old: Path) -> None:
    # The kill comes when both temporary files are written, but no file is replaced yet.
    saving = """
import os, signal, sys
from pathlib import Path
from mnist.files import save
calls = []
os.fsync = lambda descriptor: calls.append(1) or len(calls) == 2 and os.kill(os.getpid(), signal.SIGKILL)
save({Path(sys.argv[1]): b"new" * 1000, Path(sys.argv[2]): b"new"})
"""
    other = old.with_name("other")
    done = subprocess.run([sys.executable, "-c", saving, str(old), str(other)], check=False, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert old.read_bytes() == b"old"
    assert not other.exists()
    assert len(content(old.parent)) == 3
    save({old: b"newer", other: b"newer"})
    assert content(old.parent) == {"file": b"newer", "other": b"newer"}


@settings(max_examples=50)
@given(JSON)
def test_json_comes_back_exactly(path: Path, value: dict[str, Any]) -> None:
    path.write_bytes(encode_json(value))
    assert load_json(path) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_has_no_nan_and_no_infinity(number: float) -> None:
    with pytest.raises(MnistError, match=r"a figure is not a finite number, which JSON cannot express: .*loss"):
        encode_json({"loss": number})


@pytest.mark.parametrize("text", ["", "[]", "{", "nan", "\xff", "[" * 100_000])
def test_damaged_json_is_rejected_by_name(text: str, path: Path) -> None:
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DamagedFileError, match=f"{path}: "):
        load_json(path)


@settings(max_examples=50)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5))
def test_the_numbers_of_a_table_come_back_exactly(path: Path, rows: list[tuple[float, float]]) -> None:
    header = ("epoch", "loss, total")
    path.write_bytes(encode_csv(header, rows))
    assert [tuple(row.values()) for row in load_numbers(path, header)] == rows
    assert path.read_text().splitlines()[0] == 'epoch,"loss, total"'


def test_the_texts_of_a_table_come_back_exactly(path: Path) -> None:
    rows = [("T-shirt/top", 'a "b"'), ("ä,ö", "line\nline"), ("", " ")]
    path.write_bytes(encode_csv(("actual", "predicted"), rows))
    assert [tuple(row.values()) for row in load_csv(path, ("actual", "predicted"))] == rows


@pytest.mark.parametrize(
    "text", ["", "a\n1\n", "b,a\n1,2\n", "a,b\n1\n", "a,b\n1,x\n", 'a,b\n1,"2', "a,b\n1,2,3", "\xff"]
)
def test_a_damaged_table_is_rejected_by_name(text: str, path: Path) -> None:
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DamagedFileError, match=f"{path}: is damaged .*`dvc repro` makes it again"):
        load_numbers(path, ("a", "b"))


@settings(max_examples=50)
@given(DTYPES.flatmap(lambda dtype: arrays(dtype, st.integers(0, 5))))
def test_an_array_comes_back_exactly(path: Path, values: NDArray[Any]) -> None:
    path.write_bytes(encode_array(values))
    loaded = load_array(path, values.dtype)
    assert (loaded.dtype, loaded.tobytes()) == (values.dtype, values.tobytes())


def npy(header: str, version: int = 1) -> bytes:
    """Return a .npy file with any header, and sixteen bytes of values."""
    encoded = header.encode()
    return (
        b"\x93NUMPY" + struct.pack("<BBH" if version == 1 else "<BBI", version, 0, len(encoded)) + encoded + bytes(16)
    )


def header(shape: str, descr: str = "'|u1'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


WHOLE = npy(header("(16,)"))

DAMAGED = {
    "empty": b"",
    "text": b"epoch,loss\n1,0.5\n",
    "zip": b"PK\x03\x04" + bytes(100),
    "pickle": pickle.dumps([1, 2, 3]),
    "open bracket": npy("{"),
    "unhashable key": npy("{[]: 1}"),
    "deeply nested": npy("-" * 5000 + "1"),
    "version 9": npy(header("(16,)"), version=9),
    "more than there is": npy(header("(17,)")),
    "huge": npy(header(f"({10**30},)")),
    "negative": npy(header("(-3,)")),
    "objects": npy(header("(2,)", "'|O'")),
    "bad type": npy(header("(2,)", "[[]]")),
    "another type": npy(header("(2,)", "'<f8'")),
    "another shape": npy(header("(4, 4)")),
    "cut off": WHOLE[:-1],
    "cut header": WHOLE[:20],
}


# NumPy warns of some headers before it rejects them.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_bytes_that_are_not_the_array_are_rejected_by_name(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=rf"{path}: is damaged .*`dvc repro` makes it again"):
        load_array(path, np.dtype(np.uint8))


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=200)
@given(st.one_of(damaged(WHOLE), st.text("{}[]()'\":,-+\\#\n 0a19uL", max_size=30).map(npy)))
def test_any_bytes_are_an_array_or_a_damaged_file(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        values = load_array(path, np.dtype(np.uint8))
    except DamagedFileError:
        return
    assert values.dtype == np.uint8
    assert values.ndim == 1


def test_pickled_objects_are_rejected_and_not_run(tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "objects.npy"
    np.save(path, np.array([Trap(trace)], object), allow_pickle=True)
    with pytest.raises(DamagedFileError, match=r"objects\.npy: is damaged"):
        load_array(path, np.dtype(object))
    assert not trace.exists()


@pytest.mark.parametrize("place", ["pipe", "/dev/zero", "/dev/tty"])
def test_only_regular_files_are_opened(place: str, tmp_path: Path) -> None:
    if place == "pipe":
        os.mkfifo(tmp_path / place)
    with pytest.raises(OSError, match="is not a regular file"):
        read_file(tmp_path / place)


def test_a_proc_file_that_can_block_forever_reads_as_empty() -> None:
    assert read_file(Path("/proc/kmsg")) == b""


def test_a_file_above_the_limit_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match=r"has more than 4,294,967,296 bytes"):
        read_file(path)
    path.write_bytes(bytes(10))
    assert read_file(path, 10) == bytes(10)
    with pytest.raises(OSError, match="has more than 9 bytes"):
        read_file(path, 9)


def test_sha256_gives_the_digest_of_the_standard(path: Path) -> None:
    # FIPS 180-2, appendix B.1.
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    "load", [load_json, lambda path: load_csv(path, ()), lambda path: load_array(path, np.dtype(int))]
)
def test_a_missing_file_is_an_os_error(load: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing")
