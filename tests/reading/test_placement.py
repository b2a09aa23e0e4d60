"""Placement: a digit is scaled and centred as MNIST's are, and strokes that are far too thick are thinned first."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mnist.data.dataset import read_raw
from mnist.data.published import TRAIN_IMAGES, TRAIN_LABELS
from mnist.reading.placement import NoDigitError, place_digit, stroke_width, thin_strokes
from studies.handwriting import HANDS, Stroke, Written, ink_of, written
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
    edge = max(1, max(height, width) // 20)  # filled, it would be one thick stroke
    ink[7 + edge : 7 + height - edge, 90 + edge : 90 + width - edge] = 0
    inked = place_digit(ink) > 0
    assert (inked.any(axis=1).sum(), inked.any(axis=0).sum()) == expected


def test_grey_levels_are_means_of_the_ink_under_a_pixel() -> None:
    ink = np.ones((40, 40))
    ink[4:36, 4:36] = 0  # all but a frame, 2 of the pixels of 20 x 20 wide
    ink[:2, 0] = 0  # half of the first of them
    expected = np.full((20, 20), 255)
    expected[2:18, 2:18] = 0
    expected[0, 0] = 128
    np.testing.assert_array_equal(place_digit(ink)[4:24, 4:24], expected)


@given(st.integers(0, 1_000_000), st.integers(8, 60), st.integers(8, 60))
def test_the_centre_of_mass_is_where_mnist_has_it(seed: int, height: int, width: int) -> None:
    ink = np.random.default_rng(seed).random((height, width)) ** 3
    digit = place_digit(np.pad(ink, 5)).astype(float)
    rows, columns = (np.flatnonzero(digit.any(axis=axis)) for axis in (1, 0))
    for centre, where in zip(centre_of_mass(digit), (rows, columns), strict=True):
        # To half a pixel, as in MNIST, and a little for the rounding of the grey levels.
        assert abs(centre - 14) <= 0.51 or where[0] == 0 or where[-1] == 27


def test_digits_of_mnist_keep_their_place(trained: TrainedProject) -> None:
    raw = trained.root / "data/raw"
    images = read_raw(raw / TRAIN_IMAGES, raw / TRAIN_LABELS).images[:500].reshape(-1, 28, 28)
    # MNIST's makers boxed digits before they scaled them; here the box holds all ink above one half, to within a pixel.
    differences = [np.abs(place_digit(image / 255).astype(float) - image).mean() / image.mean() for image in images]
    assert np.median(differences) < 0.35
    centres = np.array([centre_of_mass(image) for image in images])
    assert (np.abs(centres - 14) <= 0.51).all()  # the other tests use this number


def test_place_and_size_of_the_digit_do_not_matter() -> None:
    small = ink_of(SEVEN, 150)
    large = np.pad(small.repeat(2, axis=0).repeat(2, axis=1), ((90, 0), (10, 300)))
    assert np.abs(place_digit(small).astype(int) - place_digit(large)).max() <= 1


@pytest.mark.parametrize("height", [40, 5])
def test_the_width_of_a_stroke_is_its_area_by_half_its_outline(height: int) -> None:
    # 100 x height pixels have 2 (100 + height) steps around them.
    assert stroke_width(np.ones((height, 100))) == pytest.approx(4 / np.pi * 100 * height / (100 + height))


def test_the_width_of_a_disc_is_its_radius() -> None:
    # Its area is pi r^2, its outline 2 pi r long in all directions alike.
    rows, columns = np.indices((200, 200)) - 99.5
    assert stroke_width(np.clip(60.5 - np.hypot(rows, columns), 0, 1)) == pytest.approx(60, rel=0.02)


def test_thin_strokes_come_back_as_they_are() -> None:
    box = ink_of(SEVEN, 150)
    assert thin_strokes(box) is box


def test_thick_strokes_lose_their_edges_until_they_are_thin_enough() -> None:
    # A frame of 30 pixels around a hole of 40: 6 pixels in the box of 20 x 20, thinned to 3.5.
    frame = np.ones((100, 100))
    frame[30:70, 30:70] = 0
    thinned = thin_strokes(frame)
    lost = (100 - len(thinned)) // 2
    assert stroke_width(frame) > 17.5 >= stroke_width(thinned) > 17.5 - 3  # an edge less at a time
    assert thinned[len(thinned) // 2].tolist() == [1] * (30 - 2 * lost) + [0] * (40 + 2 * lost) + [1] * (30 - 2 * lost)


def test_tiny_digits_of_a_usual_pen_are_read(trained: TrainedProject) -> None:
    sheets = [tiny(digit, hand) for digit, hands in HANDS.items() for hand in hands]
    answers = trained.model(np.stack([place_digit(ink_of(sheet, 280)).ravel() for sheet in sheets])).argmax(axis=1)
    assert np.mean(answers == [sheet.digit for sheet in sheets]) >= 0.8


def tiny(digit: int, hand: list[Stroke]) -> Written:
    """Return a digit that is less than three pen widths high."""
    pen = 16 / 280
    strokes = [[(0.5 + 1.9 * pen * (x - 0.5), 0.5 + 2.6 * pen * (y - 0.5)) for x, y in stroke] for stroke in hand]
    return Written(digit, strokes, pen, "tiny")


def test_no_ink_is_no_digit() -> None:
    with pytest.raises(NoDigitError, match="no ink"):
        place_digit(np.full((28, 28), 0.49))
