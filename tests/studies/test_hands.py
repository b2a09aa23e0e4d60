"""Hands: a seed decides the drawings, which stay on the sheet; answers are counted."""

import sys

import numpy as np
import pytest

from benchmarks.publish import make_table
from mnist.data.arrays import ByteArray
from mnist.files import load_csv
from mnist.model import Model
from studies import hands, results
from studies.handwriting import ink_of
from tests.trained import TrainedProject


@pytest.mark.parametrize("name", hands.STYLES)
def test_a_drawing_is_on_its_sheet_and_follows_from_its_seed(name: str) -> None:
    generators = [np.random.default_rng(seed) for seed in (1, 1, 2)]
    first, again, other = ([hands.draw(name, rng) for _ in range(20)] for rng in generators)
    assert first == again != other
    assert {sheet.digit for sheet in first} <= set(hands.STYLES[name].forms)
    for sheet in first:
        ink = ink_of(sheet, 80)
        assert ink.max() == 1 or sheet.pen < 0.03
        assert max(ink[0].max(), ink[-1].max(), ink[:, 0].max(), ink[:, -1].max()) == 0


class Sevens(Model):
    """A network that reads every digit as a 7."""

    def __init__(self) -> None:
        pass

    def __call__(self, pixels: ByteArray) -> np.ndarray:
        return np.tile(np.eye(10)[7], (len(pixels), 1))


def test_right_answers_are_counted_and_the_most_frequent_mistake_named() -> None:
    assert hands.read(Sevens(), "7 with a bar", drawings=5) == ("7 with a bar", 5, 5, "", 0)
    assert hands.read(Sevens(), "open 4", drawings=5) == ("open 4", 5, 0, "4 as 7", 5)


def test_the_study_writes_its_table(trained: TrainedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained.root)
    monkeypatch.setattr(sys, "argv", ["hands"])
    monkeypatch.setattr(hands, "STYLES", {name: hands.STYLES[name] for name in ("usual", "7 with a bar")})
    hands.main()
    rows = load_csv(results.RESULTS / "hands.csv", hands.Reading._fields)
    assert [row["style"] for row in rows] == ["usual", "7 with a bar"]
    assert all(int(row["right"]) > 0.8 * hands.DRAWINGS for row in rows)
    assert f"| usual | 300 | {int(rows[0]['right']) / 3:.1f}% |" in make_table(results.RESULTS / "hands.csv")
