"""docs/from-scratch.md: its blocks run in order and print their last comments; the source contains its quotes."""

import code
import contextlib
import inspect
import io
import pydoc
import re
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mnist.data.idx import encode_idx
from mnist.data.published import (
    DATASETS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DatasetMixupError,
    check_dataset,
)
from mnist.files import save
from stages.pipeline import RAW
from studies.results import RESULTS, Run, load_rows, summarize
from tests.helpers import ROOT, random_digits

PAGE = (ROOT / "docs/from-scratch.md").read_text(encoding="utf-8")


class Block(NamedTuple):
    """A fenced block: its language, the file and the function that it quotes or nothing, its text."""

    language: str
    file: str
    function: str
    text: str


FENCED = re.compile(r"^```(\w+)\n(?:# (mnist/[\w/]+)\.py(?:, ([\w.]+))?\n)?(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = [Block(*found) for found in FENCED.findall(PAGE)]


@pytest.fixture
def raw_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in the project if it has MNIST, otherwise in a folder with random images of its form."""
    with contextlib.suppress(OSError, DatasetMixupError):
        check_dataset("mnist", *(ROOT / RAW / file.name for file in DATASETS["mnist"].files))
        monkeypatch.chdir(ROOT)
        return
    for images, labels, count in ((TRAIN_IMAGES, TRAIN_LABELS, 6000), (TEST_IMAGES, TEST_LABELS, 1000)):
        digits = random_digits(count, seed=count)
        pixels = digits.images.reshape(count, 28, 28)
        save({tmp_path / RAW / images: encode_idx(pixels), tmp_path / RAW / labels: encode_idx(digits.labels)})
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("raw_digits")
def test_the_blocks_pasted_in_order_print_their_last_comments() -> None:
    assert PAGE.count("```") == 2 * len(BLOCKS)
    console = code.InteractiveConsole()
    for block in BLOCKS:
        if block.language == "python" and not block.file:
            # On a busy machine two BLAS threads wait for each other.
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                for line in [*block.text.splitlines(), ""]:
                    console.push(line)
            expected = re.search(r"(?:^# .*\n)+\Z", block.text, re.MULTILINE)
            assert expected, block.text
            assert textwrap.indent(printed.getvalue(), "# ") == expected.group(), block.text


def test_the_quotes_stand_in_the_source() -> None:
    quotes = [block for block in BLOCKS if block.file]
    assert quotes
    for quote in quotes:
        source: Any = pydoc.locate(".".join(filter(None, [quote.file.replace("/", "."), quote.function])))
        assert source, quote
        lines = inspect.getsource(source)
        assert any("\n" + textwrap.indent(quote.text, indent) in lines for indent in ("", " " * 4, " " * 8)), quote


def test_the_ladder_is_the_measured_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert re.findall(r"^\| ([\w ]+) \| ([\d.]+) ± ([\d.]+) \|", PAGE, re.MULTILINE) == [
        (summary.recipe.replace("_", " "), f"{summary.mean:.2f}", f"{summary.deviation:.2f}")
        for summary in summarize(load_rows(RESULTS / "ladder.csv", Run))
    ]


def test_the_links_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#]+)", PAGE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
