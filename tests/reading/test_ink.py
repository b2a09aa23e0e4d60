"""Ink: a digit is found on any paper, scaled and centred as MNIST's are; empty paper is rejected."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mnist.data.dataset import read_raw
from mnist.data.published import TRAIN_IMAGES, TRAIN_LABELS
from mnist.reading.ink import NoDigitError, find_ink, place_digit, read_digit
from studies.handwriting import Written, ink_of, written
from tests.trained import TrainedProject

SEVEN = next(sheet for sheet in written(pen=0.06) if sheet.style == "7, hand 1, upright")


def centre_of_mass(image: NDArray[np.number]) -> tuple[float, float]:
    rows, columns = np.indices(image.shape)
    return (image * rows).sum() / image.sum(), (image * columns).sum() / image.sum()


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(200, 100, (20, 10)), (50, 200, (5, 20)), (3, 6, (10, 20)), (300, 1, (20, 1))]
)
def test_the_longer_side_becomes_20_pixels_and_the_aspect_ratio_stays(
    height: int, width: int, expected: tuple[int, int]
) -> None:
    ink = np.zeros((400, 400))
    ink[7 : 7 + height, 90 : 90 + width] = 1
    inked = place_digit(ink) > 0
    assert (inked.any(axis=1).sum(), inked.any(axis=0).sum()) == expected


def test_grey_levels_are_means_of_the_ink_under_a_pixel() -> None:
    ink = np.ones((40, 40))
    ink[:2, 0] = 0  # half of the first pixel of 20 x 20
    digit = place_digit(ink)
    assert digit[4, 4] == 128
    assert (digit[4:24, 4:24].ravel()[1:] == 255).all()
    assert digit.sum() == 128 + 399 * 255


@given(st.integers(0, 1_000_000), st.integers(8, 60), st.integers(8, 60))
def test_the_centre_of_mass_is_where_mnist_has_it(seed: int, height: int, width: int) -> None:
    ink = np.random.default_rng(seed).random((height, width)) ** 3
    digit = place_digit(np.pad(ink, 5)).astype(float)
    rows, columns = (np.flatnonzero(digit.any(axis=axis)) for axis in (1, 0))
    for centre, where in zip(centre_of_mass(digit), (rows, columns), strict=True):
        # To half a pixel, as in MNIST, and a little for the rounding of the grey levels.
        assert abs(centre - 14) <= 0.51 or where[0] == 0 or where[-1] == 27


def test_mnists_own_digits_come_back_in_their_place(trained: TrainedProject) -> None:
    raw = trained.root / "data/raw"
    images = read_raw(raw / TRAIN_IMAGES, raw / TRAIN_LABELS).images[:500].reshape(-1, 28, 28)
    # Its makers boxed digits before they scaled them; here the box holds all ink above one half, a pixel more or less.
    differences = [np.abs(place_digit(image / 255).astype(float) - image).mean() / image.mean() for image in images]
    assert np.median(differences) < 0.35
    centres = np.array([centre_of_mass(image) for image in images])
    assert (np.abs(centres - 14) <= 0.51).all()  # the source of that number in the other tests


def test_place_and_size_of_the_digit_do_not_matter() -> None:
    small = ink_of(SEVEN, 150)
    large = np.pad(small.repeat(2, axis=0).repeat(2, axis=1), ((90, 0), (10, 300)))
    assert np.abs(place_digit(small).astype(int) - place_digit(large)).max() <= 1


def on_paper(sheet: Written, kind: str) -> NDArray[np.float64]:
    """Return a digit as a scanner or a camera might see it."""
    ink, rng = ink_of(sheet, 240), np.random.default_rng(1)
    y, x = np.mgrid[-1:1:240j, -1:1:240j]
    grey = 0.9 - 0.7 * ink
    match kind:
        case "light on dark":
            grey = 0.1 + 0.8 * ink
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
    return grey.clip(0, 1)


PAPERS = [
    "clean",
    "light on dark",
    "noisy",
    "unevenly lit",
    "faint",
    "salt and pepper",
    "dirty",
    "with the edge of the table",
]


@pytest.mark.parametrize("paper", PAPERS)
def test_the_same_digit_is_found_on_any_paper(paper: str) -> None:
    expected = place_digit(ink_of(SEVEN, 240)).astype(int)
    difference = np.abs(read_digit(on_paper(SEVEN, paper)) - expected)
    assert difference.mean() < (0.01 if paper in {"clean", "light on dark"} else 8)


def test_nearly_all_handwriting_is_read_on_any_paper(trained: TrainedProject) -> None:
    sheets = written(pen=0.045)[::4]
    papers = itertools.cycle(PAPERS)
    images = np.stack([read_digit(on_paper(sheet, next(papers))).ravel() for sheet in sheets])
    answers = trained.model(images).argmax(axis=1)
    assert np.mean(answers == [sheet.digit for sheet in sheets]) >= 0.95


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


def test_no_ink_is_no_digit() -> None:
    with pytest.raises(NoDigitError, match="no ink"):
        place_digit(np.full((28, 28), 0.49))
