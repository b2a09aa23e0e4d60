"""docs/from-scratch.md: its blocks run in order and print what it says, and what it quotes stands in the source."""

import contextlib
import io
import re
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import pytest

from mnist import idx
from mnist.files import save_bytes
from mnist.sources import (
    DATASETS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DatasetMixupError,
    refuse_others,
)
from recipes.ladder import TABLE
from stages.command import RAW
from tests.recipe import ROOT, random_digits

PAGE = (ROOT / "docs/from-scratch.md").read_text()


class Block(NamedTuple):
    """A fenced block: its language, the file it is quoted from or nothing, its text."""

    language: str
    file: str
    text: str


FENCED = re.compile(r"^```(\w+)\n(?:# (mnist/\w+\.py)[^\n]*\n)?(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = [Block(*found) for found in FENCED.findall(PAGE)]
QUOTES = [block for block in BLOCKS if block.file]
CODE = [(block, after) for block, after in zip(BLOCKS, [*BLOCKS[1:], None], strict=True) if block[:2] == ("python", "")]


@pytest.fixture
def somewhere_with_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where MNIST is, or, in a clone that does not have it just now, where images of its form are."""
    with contextlib.suppress(OSError, DatasetMixupError):
        refuse_others("mnist", *(ROOT / RAW / file.name for file in DATASETS["mnist"].files))
        monkeypatch.chdir(ROOT)
        return
    for images, labels, count in ((TRAIN_IMAGES, TRAIN_LABELS, 6000), (TEST_IMAGES, TEST_LABELS, 1000)):
        digits = random_digits(count, seed=count)
        save_bytes(tmp_path / RAW / images, idx.encode(digits.images.reshape(count, 28, 28)))
        save_bytes(tmp_path / RAW / labels, idx.encode(digits.labels))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("somewhere_with_digits")
def test_the_blocks_run_in_order_and_print_what_stands_under_them() -> None:
    names: dict[str, Any] = {}
    for block, after in CODE:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.text, "docs/from-scratch.md", "exec"), names)
        expected = after.text if after and after.language == "text" else ""
        assert printed.getvalue() == expected, block.text


def test_every_output_stands_under_the_block_that_prints_it() -> None:
    assert (len(CODE), len(QUOTES)) == (10, 14)
    assert sum(block.language == "text" for block in BLOCKS) == len(CODE)


@pytest.mark.parametrize(
    "quote", QUOTES, ids=[f"{quote.file}: {quote.text.splitlines()[0].strip()}" for quote in QUOTES]
)
def test_what_is_quoted_stands_in_the_source(quote: Block) -> None:
    source = (ROOT / quote.file).read_text().splitlines()
    lines = quote.text.splitlines()
    windows = (source[start : start + len(lines)] for start in range(len(source) - len(lines) + 1))
    assert any(dedent("\n".join(window)) == "\n".join(lines) for window in windows), quote.text


def test_the_ladder_is_the_one_that_was_measured() -> None:
    rows = re.findall(r"^\| ([\w ]+) \| ([\d.]+) ± ([\d.]+) \|", PAGE, re.MULTILINE)
    measured = [line.split(",") for line in (ROOT / TABLE).read_text().splitlines()[1:]]
    assert rows == [
        (name.replace("_", " "), f"{float(mean):.2f}", f"{float(deviation):.2f}")
        for name, _, mean, deviation, *_ in measured
    ]


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)", PAGE))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
