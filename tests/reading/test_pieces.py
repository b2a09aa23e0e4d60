"""Pieces: digits in a row are split, left to right, and the strokes of one digit stay together."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from mnist.reading.ink import read_digit
from mnist.reading.pieces import label_pieces, split_digits
from studies.handwriting import ink_of, written
from tests.trained import TrainedProject

UPRIGHT = [sheet for sheet in written(pen=0.06) if sheet.style.endswith(", upright")]


def picture(*rows: str) -> NDArray[np.float64]:
    """Return a drawing of characters, each 4 x 4 pixels."""
    return np.repeat(np.repeat(np.array([[mark == "#" for mark in row] for row in rows]), 4, 0), 4, 1).astype(float)


@pytest.mark.parametrize("number", ["42", "07", "11", "150", "9876543210"])
def test_digits_in_a_row_are_read_left_to_right(number: str, trained: TrainedProject) -> None:
    row = np.hstack([ink_of(UPRIGHT[3 * int(name)], 120)[:, 20:100] for name in number])
    digits = split_digits(row)
    assert np.array_equal(sum(digits), row)
    images = np.stack([read_digit(1 - digit) for digit in digits])
    answers = trained.model(images.reshape(-1, 784)).argmax(axis=1)
    assert "".join(map(str, answers)) == number


def test_a_digit_is_never_split() -> None:
    for sheet in written(pen=0.06):
        ink = ink_of(sheet, 100)
        (whole,) = split_digits(ink)
        assert whole is ink


@pytest.mark.parametrize(
    ("drawing", "digits"),
    [
        (["#...#..", "#...#..", "####...", "....#..", "....#.."], 1),  # an open 4
        (["..####.", ".......", "###....", "..##...", "###...."], 1),  # the bar of a 5
        (["#...", "#...", "#...", "#.#."], 1),  # a dot
        (["#..#", "#..#", "#..#", "#..#"], 2),  # 11
        (["..##..##", ".##..##.", ".#...#..", "##..##.."], 2),  # slanted strokes over the same columns
        (["#......", "#...###", "#...#.#", "#...###"], 2),  # a low 0 beside a 1
    ],
)
def test_low_pieces_and_pieces_above_each_other_belong_together(drawing: list[str], digits: int) -> None:
    assert len(split_digits(picture(*drawing))) == digits


def test_without_ink_there_is_no_digit() -> None:
    assert split_digits(np.full((9, 9), 0.4)) == []
    assert split_digits(np.zeros((0, 3))) == []


def test_a_piece_is_all_ink_that_a_pen_can_reach_without_lifting() -> None:
    rng = np.random.default_rng(0)
    for shape, share in itertools.product([(1, 1), (1, 30), (25, 30)], (0.1, 0.3, 0.5, 1.0)):
        mask = rng.random(shape) < share
        labels = np.pad(label_pieces(mask), 1)
        assert np.array_equal(labels[1:-1, 1:-1] > 0, mask)
        for row, column in np.argwhere(labels):
            around = labels[row - 1 : row + 2, column - 1 : column + 2]
            assert set(around.ravel()) <= {0, labels[row, column]}
        # Each number is one piece: flooding from its first pixel reaches all of it.
        for label in range(1, labels.max() + 1):
            piece = labels == label
            reached = np.zeros_like(piece)
            reached.ravel()[piece.argmax()] = True
            while True:
                wider = piece & np.any(
                    [np.roll(reached, step, (0, 1)) for step in itertools.product((-1, 0, 1), repeat=2)], axis=0
                )
                if np.array_equal(wider, reached):
                    break
                reached = wider
            assert np.array_equal(reached, piece)
