"""Files on disk: whole or not there, whatever interrupts the writing; exact round trips; damage found and named."""

import csv
import json
import os
import pickle
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
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from mnist.errors import MnistError
from mnist.files import (
    DamagedFileError,
    atomic_write,
    check_digests,
    load_array,
    load_json,
    load_numbers,
    release_pages,
    save_array,
    save_bytes,
    save_csv,
    save_digests,
    save_json,
    together,
)
from tests.recipe import ROOT
from tests.test_idx import damaged

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(st.none() | st.booleans() | NUMBERS | st.text(), lambda inner: st.lists(inner, max_size=3))
DTYPES = st.sampled_from(["uint8", "int64", "float32", "float64"])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a place for one file, shared because Hypothesis does not make a new one for each example."""
    return tmp_path_factory.mktemp("files") / "file"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a file that is there already, alone in its folder."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_the_old_content_stays_until_the_new_is_complete(old: Path) -> None:
    with atomic_write(old) as file:
        file.write(b"new")
        file.flush()
        assert old.read_bytes() == b"old"
    assert content(old.parent) == {"file": b"new"}


def test_files_written_together_take_their_places_together(old: Path) -> None:
    other = old.with_name("other")
    with together():
        save_bytes(old, b"new")
        save_bytes(other, b"new")
        assert (old.read_bytes(), other.exists()) == (b"old", False)
    assert content(old.parent) == {"file": b"new", "other": b"new"}
    save_bytes(old, b"alone")
    assert old.read_bytes() == b"alone"


def test_of_files_written_together_an_exception_leaves_none(old: Path) -> None:
    def write() -> None:
        with together():
            save_bytes(old, b"new")
            save_bytes(old.with_name("other"), b"new")
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        write()
    assert content(old.parent) == {"file": b"old"}


def test_digests_are_of_the_files_that_they_are_written_together_with(old: Path) -> None:
    with together():
        save_bytes(old, b"new")
        save_bytes(old.with_name("other"), b"other")
        save_digests(old.parent, KIND)
    assert [line.split()[1] for line in check_digests(old.parent, KIND).splitlines()[1:]] == ["file", "other"]


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_while_writing_leaves_the_old_content_and_nothing_else(
    interruption: type[BaseException], old: Path
) -> None:
    def write() -> None:
        with atomic_write(old) as file:
            file.write(b"new")
            raise interruption

    with pytest.raises(interruption):
        write()
    assert content(old.parent) == {"file": b"old"}


def test_a_kill_in_the_middle_of_a_write_leaves_the_old_content_and_the_next_write_works(old: Path) -> None:
    writing = """
import sys, time
from pathlib import Path
from mnist.files import atomic_write
with atomic_write(Path(sys.argv[1])) as file:
    file.write(b"new" * 100_000)
    file.flush()
    print("in the middle", flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", writing, str(old)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "in the middle\n"
        writer.kill()
    assert writer.returncode == -signal.SIGKILL
    assert old.read_bytes() == b"old"
    save_bytes(old, b"new")
    assert old.read_bytes() == b"new"


@pytest.mark.parametrize(
    "write",
    [
        "save_bytes(path, bytes(10_000))",
        "save_array(path, np.zeros(10_000))",
        "save_csv(path, ['a'], [[1]] * 10_000)",
        "save_json(path, {'a': 'x' * 10_000})",
    ],
)
def test_a_full_disk_is_an_os_error_and_leaves_the_old_content(write: str, old: Path) -> None:
    # A limit on the size of files stands for the full disk; Python ignores the signal that comes with it.
    writing = f"""
import resource, sys
from pathlib import Path
import numpy as np
from mnist.files import *
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
path = Path(sys.argv[1])
try:
    {write}
except OSError:
    print("told as OSError")
"""
    command = [sys.executable, "-c", writing, str(old)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("told as OSError\n", "")
    assert content(old.parent) == {"file": b"old"}


def test_missing_folders_are_made(tmp_path: Path) -> None:
    save_bytes(tmp_path / "a/b/file", b"new")
    assert content(tmp_path / "a/b") == {"file": b"new"}


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_json_comes_back_exactly(path: Path, value: dict[str, Any]) -> None:
    save_json(path, value)
    assert json.loads(path.read_bytes()) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_has_no_nan_and_no_infinity(number: float, old: Path) -> None:
    with pytest.raises(MnistError, match="file: is not written, because a figure for it is not a finite number"):
        save_json(old, {"loss": number})
    assert content(old.parent) == {"file": b"old"}


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5))
def test_the_numbers_of_a_table_come_back_exactly(path: Path, rows: list[tuple[float, float]]) -> None:
    save_csv(path, ("epoch", "loss, total"), rows)
    with path.open(newline="") as file:
        names, *read = csv.reader(file)
    assert names == ["epoch", "loss, total"]
    assert [
        tuple(type(old)(new) for old, new in zip(*both, strict=True)) for both in zip(rows, read, strict=True)
    ] == rows


@given(DTYPES.flatmap(lambda dtype: arrays(dtype, array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))))
def test_an_array_comes_back_exactly_and_read_only(path: Path, values: NDArray[Any]) -> None:
    save_array(path, values)
    loaded = load_array(path)
    np.testing.assert_array_equal(loaded, values, strict=True)
    assert type(loaded) is np.ndarray
    assert not loaded.flags.writeable


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
    "empty zip": b"PK\x05\x06" + bytes(18),
    "pickle": pickle.dumps([1, 2, 3]),
    "open bracket": npy("{"),
    "open string": npy("'''"),
    "unhashable key": npy("{[]: 1}"),
    "keys of two types": npy("{1: 2, 'a': 3}"),
    "deeply nested": npy("-" * 5000 + "1"),
    "version 9": npy(header("(16,)"), version=9),
    "more than there is": npy(header("(17,)")),
    "huge": npy(header(f"({10**30},)")),
    "huge product": npy(header(f"({2**40}, {2**40})")),
    "negative": npy(header("(-3,)")),
    "true": npy(header("(True,)")),
    "objects": npy(header("(2,)", "'|O'")),
    "bad type": npy(header("(2,)", "[[]]")),
}


# NumPy warns of some headers before it refuses them.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_what_is_not_an_array_is_refused_by_name(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=rf"{path}: is damaged .*`dvc repro --force` makes it again"):
        load_array(path)


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_an_array_cut_off_anywhere_is_refused(length: int, path: Path) -> None:
    path.write_bytes(WHOLE[:length])
    with pytest.raises(DamagedFileError, match="is damaged"):
        load_array(path)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=400)
@given(
    st.one_of(
        st.binary(max_size=40),
        damaged(WHOLE),
        st.text("{}[]()'\":,-+\\#\n 0a19uL", max_size=30).map(npy),
        st.builds(header, st.sampled_from(["()", "(0,)", "16", "[16]", "(4, 4)", "(None,)", "(1.0,)"]), st.text()).map(
            npy
        ),
    )
)
def test_any_bytes_are_an_array_or_a_damaged_file(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        values = load_array(path)
    except DamagedFileError:
        return
    assert type(values) is np.ndarray
    assert not values.dtype.hasobject


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_pickled_objects_are_refused_and_not_run(tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "objects.npy"
    np.save(path, np.array([Trap(trace)], object), allow_pickle=True)
    with pytest.raises(DamagedFileError, match=r"objects\.npy: is damaged"):
        load_array(path)
    assert not trace.exists()
    with pytest.raises(ValueError, match="allow_pickle"):
        save_array(path, np.array([Trap(trace)], object))


def test_a_missing_array_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_array(tmp_path / "missing.npy")


KIND = "some files, format 1"


def test_digests_are_what_sha256sum_checks(tmp_path: Path) -> None:
    (tmp_path / "a b.txt").write_bytes(b"abc")
    (tmp_path / "empty").write_bytes(b"")
    save_digests(tmp_path, KIND)
    # FIPS 180-2, appendix B.1, and the digest of nothing.
    expected = (
        "# some files, format 1\n"
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a b.txt\n"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  empty\n"
    )
    assert (tmp_path / "SHA256SUMS").read_text() == expected
    assert check_digests(tmp_path, KIND) == expected
    # Written again, it is the same, whatever it says itself.
    save_digests(tmp_path, KIND)
    assert check_digests(tmp_path, KIND) == expected


def test_every_difference_from_the_digests_is_named(tmp_path: Path) -> None:
    (tmp_path / "some").write_bytes(b"abc")
    save_digests(tmp_path, KIND)
    (tmp_path / "some").write_bytes(b"abd")
    with pytest.raises(DamagedFileError, match="some: is damaged"):
        check_digests(tmp_path, KIND)
    (tmp_path / "some").unlink()
    with pytest.raises(FileNotFoundError):
        check_digests(tmp_path, KIND)


@pytest.mark.parametrize("text", ["nonsense\n", "0  ../outside\n", "0  \n", "\udcff\n"])
def test_a_list_of_digests_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "SHA256SUMS").write_bytes(f"# {KIND}\n{text}".encode(errors="surrogateescape"))
    with pytest.raises(DamagedFileError, match="SHA256SUMS: is damaged"):
        check_digests(tmp_path, KIND)


def test_a_file_that_the_digests_do_not_list_is_named(tmp_path: Path) -> None:
    for name in ("some", "others"):
        save_bytes(tmp_path / name, b"abc")
    save_digests(tmp_path, KIND)
    listed = tmp_path / "SHA256SUMS"
    listed.write_text("".join(listed.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(DamagedFileError, match="SHA256SUMS: does not list some"):
        check_digests(tmp_path, KIND)


def test_digests_leave_hidden_and_unfinished_files_out(tmp_path: Path) -> None:
    (tmp_path / "some").write_bytes(b"abc")
    (tmp_path / ".some.1234.partial").write_bytes(b"a")
    save_digests(tmp_path, KIND)
    assert [line.split()[1] for line in check_digests(tmp_path, KIND).splitlines()[1:]] == ["some"]


def test_what_a_killed_writer_left_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".some.{dead.pid}.partial"
    others = [tmp_path / name for name in (f".some.{os.getppid()}.partial", ".some.x.partial", ".other.1.partial")]
    for path in (left, *others):
        path.write_bytes(b"a")
    save_bytes(tmp_path / "some", b"abc")
    assert not left.exists()
    assert all(path.exists() for path in others)


@pytest.mark.parametrize("first", ["", "# some files, format 2\n", "# format 1", "ba78  some\n"])
def test_files_of_another_format_are_refused_by_name(tmp_path: Path, first: str) -> None:
    (tmp_path / "SHA256SUMS").write_text(first)
    with pytest.raises(DamagedFileError, match=f"SHA256SUMS: should begin with '# {KIND}', not '{first.strip()}'"):
        check_digests(tmp_path, KIND)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="asks the system in Linux's words")
def test_the_pages_of_a_large_array_can_be_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def resident() -> int:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        return 1024 * int(next(line.split()[1] for line in lines if line.startswith("Rss:")))

    values = np.ones((64, 2**20), np.uint8)
    save_array(tmp_path / "large.npy", values)
    mapped = load_array(tmp_path / "large.npy")
    assert mapped.sum() == values.sum()
    before = resident()
    release_pages(mapped)
    assert before - resident() < values.nbytes / 2  # below the size from which on it pays
    monkeypatch.setattr("mnist.files._LARGE", 0)
    release_pages(mapped[3:])
    assert before - resident() > values.nbytes / 2
    np.testing.assert_array_equal(mapped, values)


def test_an_array_that_is_not_of_a_file_has_nothing_to_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mnist.files._LARGE", 0)
    release_pages(values := np.ones(5))
    assert values.sum() == 5


def test_tables_and_json_come_back(tmp_path: Path) -> None:
    save_csv(tmp_path / "table.csv", ("a", "b"), [(1, 0.25), (2, float("nan"))])
    first, second = load_numbers(tmp_path / "table.csv", ("a", "b"))
    assert first == {"a": 1, "b": 0.25}
    assert np.isnan(second["b"])
    save_json(tmp_path / "value.json", {"a": [1, "b"]})
    assert load_json(tmp_path / "value.json") == {"a": [1, "b"]}


@pytest.mark.parametrize("text", ["", "a\n1\n", "a,b\n1\n", "a,b\n1,x\n", 'a,b\n1,"2', "a,b\n1,2,3\n", "\xff"])
def test_a_damaged_table_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DamagedFileError, match=r"table\.csv: is damaged"):
        load_numbers(tmp_path / "table.csv", ("a", "b"))


@pytest.mark.parametrize("text", ["", "[]", "{", "nan", "\xff", "[" * 100_000])
def test_damaged_json_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "value.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DamagedFileError, match=r"value\.json: "):
        load_json(tmp_path / "value.json")
