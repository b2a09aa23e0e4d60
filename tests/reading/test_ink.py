"""Ink: a digit is found on any paper; empty paper is rejected."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from mnist.reading.ink import find_ink, read_digit
from mnist.reading.placement import NoDigitError, place_digit
from studies.handwriting import Written, ink_of, written
from tests.trained import TrainedProject

SEVEN = next(sheet for sheet in written(pen=0.06) if sheet.style == "7, hand 1, upright")


def on_paper(sheet: Written, kind: str) -> NDArray[np.float64]:  # noqa: C901, PLR0912 (a table of papers)
    """Return a digit as a scanner or a camera might see it."""
    ink, rng = ink_of(sheet, 240), np.random.default_rng(1)
    y, x = np.mgrid[-1:1:240j, -1:1:240j]
    grey = 0.9 - 0.7 * ink
    match kind:
        case "light on dark":
            grey = 0.1 + 0.8 * ink
        case "white on black":
            grey = ink
        case "noisy":
            grey += rng.normal(0, 0.1, grey.shape)
        case "unevenly lit":
            grey *= 0.7 + 0.25 * x - 0.1 * y * y
        case "faint":
            grey = 0.8 - 0.15 * ink + rng.normal(0, 0.01, ink.shape)
        case "salt and pepper":
            grey = np.where(rng.random(grey.shape) < 0.02, rng.random(grey.shape), grey)
        case "dirty":
            for row, column in rng.integers(0, 237, (30, 2)):
                grey[row : row + 2, column : column + 2] = 0.2
        case "with the edge of the table":
            grey[:, :20] = 0.3
        case "lined":
            grey = np.where((y + 0.05 * x) % 0.22 < 0.03, np.minimum(grey, 0.5), grey)
        case "squared":
            grey = np.where(np.minimum((y + 0.02 * x) % 0.2, (x - 0.02 * y) % 0.2) < 0.02, np.minimum(grey, 0.6), grey)
        case "squared, light on dark":
            grey = np.where(np.minimum(y % 0.2, x % 0.2) < 0.02, np.maximum(1 - grey, 0.4), 1 - grey)
        case "dotted":
            grey = np.where(np.hypot(y % 0.2 - 0.1, x % 0.2 - 0.1) < 0.03, np.minimum(grey, 0.4), grey)
        case "in a soft shadow":
            grey *= 1 - 0.6 / (1 + np.exp(-(x + y) / 0.05))
        case "in a hard shadow":
            grey[x + 0.4 * y > 0.1] *= 0.4
        case "crooked on a table":
            grey[np.maximum(np.abs(x + 0.15 * y), np.abs(y - 0.15 * x)) > 0.82] = 0.15
        case "under a thumb":
            grey[((x - 0.3) / 0.2) ** 2 + ((y - 1) / 0.2) ** 2 < 1] = 0.55
        case "folded":
            grey *= np.where(x > 0.1, 0.85, 1) * np.where(np.abs(x - 0.1) < 0.012, 0.7, 1)
    return grey.clip(0, 1)


PAPERS = [
    "clean",
    "light on dark",
    "white on black",
    "noisy",
    "unevenly lit",
    "faint",
    "salt and pepper",
    "dirty",
    "with the edge of the table",
    "lined",
    "squared",
    "squared, light on dark",
    "dotted",
    "in a soft shadow",
    "in a hard shadow",
    "crooked on a table",
    "under a thumb",
    "folded",
]


@pytest.mark.parametrize("paper", PAPERS)
def test_the_same_digit_is_found_on_any_paper(paper: str) -> None:
    expected = place_digit(ink_of(SEVEN, 240)).astype(int)
    difference = np.abs(read_digit(on_paper(SEVEN, paper)) - expected)
    assert difference.mean() < (0.01 if paper in {"clean", "light on dark", "white on black"} else 8)


def test_nearly_all_handwriting_is_read_on_any_paper(trained: TrainedProject) -> None:
    sheets = written(pen=0.045)[::4]
    papers = itertools.cycle(PAPERS)
    images = np.stack([read_digit(on_paper(sheet, next(papers))).ravel() for sheet in sheets])
    answers = trained.model(images).argmax(axis=1)
    assert np.mean(answers == [sheet.digit for sheet in sheets]) >= 0.95


@pytest.mark.parametrize("light", [False, True])
def test_a_drawing_that_is_cut_at_its_ink_is_read(light: bool, trained: TrainedProject) -> None:
    sheets = written(pen=0.12)[::4]
    images = []
    for sheet in sheets:
        ink = ink_of(sheet, 120)
        cut = ink[ink.any(axis=1)][:, ink.any(axis=0)]
        images.append(read_digit(cut if light else 1 - cut).ravel())
    answers = trained.model(np.stack(images)).argmax(axis=1)
    assert np.mean(answers == [sheet.digit for sheet in sheets]) >= 0.9


def test_a_stroke_as_long_as_a_ruled_line_is_no_line() -> None:
    one = np.zeros((200, 200))
    one[20:180, 95:105] = 1
    assert np.array_equal(find_ink(0.9 - 0.7 * one) > 0.5, one > 0)


def test_a_pen_thinner_and_fainter_than_the_lines_is_read() -> None:
    y, _ = np.mgrid[:200, :200]
    ink = ink_of(SEVEN._replace(pen=0.02), 200)
    grey = np.minimum(0.95 - 0.5 * ink, np.where((y + 15) % 33 < 5, 0.35, 1))
    difference = np.abs(read_digit(grey).astype(int) - place_digit(ink))
    assert difference.mean() < 8


@pytest.mark.parametrize("brightness", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (28, 28), (300, 200)])
def test_empty_paper_is_no_digit(shape: tuple[int, int], noise: float, brightness: float) -> None:
    paper = brightness + np.random.default_rng(0).normal(0, noise, shape)
    with pytest.raises(NoDigitError, match="there is no digit in it"):
        find_ink(paper.clip(0, 1))


def test_a_few_dark_pixels_are_no_digit() -> None:
    paper = np.ones((100, 100))
    paper[50:54, 50:53] = 0
    with pytest.raises(NoDigitError, match="too small"):
        find_ink(paper)
