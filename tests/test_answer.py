"""The words for what a network reads."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnist.answer import Thing, choose_things, describe, with_article

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "ankle boot", "bag")


def digit(number: int, probability: float = 0.9968, novelty: float = 0.2, other: int = 9) -> Thing:
    """Return a thing that is one digit with this probability, and otherwise another one."""
    probabilities = [0.0] * 10
    probabilities[other], probabilities[number] = 1 - probability, probability
    return Thing(probabilities, novelty)


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (digit(7), "a 7 (99.7%)"),
        (digit(8, 1.0), "an 8 (99.9%)"),
        (digit(4, 0.62), "a 4, I think (62%); or a 9 (38%)"),
        (digit(4, 0.899), "a 4, I think (90%); or a 9 (10%)"),
        (digit(4, 0.9), "a 4 (90.0%)"),
        (Thing([0.74, *[0.26 / 9] * 9], 0.5), "a 0, I think (74%)"),
        (Thing([0.26, 0.2, *[0.54 / 8] * 8], 0.5), "a 0, perhaps (26%); or a 1 (20%)"),
        (digit(4, 0.999, novelty=1.01), "this does not look like a digit; the nearest is a 4"),
    ],
)
def test_the_words_for_one_digit_say_how_sure_the_network_is(thing: Thing, words: str) -> None:
    assert describe([thing], DIGITS) == words


def test_classes_may_be_words() -> None:
    assert describe([Thing([0.02, 0.97, 0.01], 0.0)], CLOTHES) == "an ankle boot (97.0%)"
    words = "this does not look like anything that the network has learnt; the nearest is a bag"
    assert describe([Thing([0.1, 0.2, 0.7], 3.0)], CLOTHES) == words
    things = [Thing([0.02, 0.97, 0.01], 0.0), Thing([0.02, 0.02, 0.96], 0.0)]
    assert describe(things, CLOTHES) == "there are two things here: an ankle boot (97.0%) and a bag (96.0%)"


def test_each_digit_in_a_row_is_read_from_left_to_right() -> None:
    two = [digit(4, 0.98), digit(2, 0.99)]
    assert describe(two, DIGITS) == "42: a 4 (98.0%) and a 2 (99.0%)"
    assert describe([*two, digit(0, 0.6)], DIGITS) == "420: a 4 (98.0%), a 2 (99.0%) and a 0 (60%)"
    mixed = [digit(4, 0.98), digit(2, 0.99, novelty=2)]
    assert describe(mixed, DIGITS) == ("there are two things here: a 4 (98.0%) and one that does not look like a digit")
    assert describe([digit(1)] * 8 + [digit(1, novelty=2)] * 4, DIGITS).startswith("there are 12 things here: ")


def test_the_parts_are_read_where_the_whole_looks_unknown_and_a_part_does_not() -> None:
    known, unknown = digit(4), digit(8, novelty=1.5)
    assert choose_things(unknown, [known, unknown]) == [known, unknown]
    assert choose_things(known, [known, known]) == [known]
    assert choose_things(unknown, [unknown, unknown]) == [unknown]
    assert choose_things(unknown, [known]) == [unknown]
    assert choose_things(unknown, []) == [unknown]


@pytest.mark.parametrize("name", ["8", "11", "18", "80", "ankle boot", "A", "F", "x", "Igel"])
def test_a_name_that_is_spoken_with_a_vowel_has_an(name: str) -> None:
    assert with_article(name) == f"an {name}"


@pytest.mark.parametrize("name", ["0", "1", "12", "bag", "B", "u", "", "é"])
def test_another_name_has_a(name: str) -> None:
    assert with_article(name) == f"a {name}"


@given(st.lists(st.floats(0, 1), min_size=2, max_size=10), st.floats(-5, 1))
def test_the_most_probable_class_comes_first_and_no_more_than_99_9_percent_is_claimed(
    probabilities: list[float], novelty: float
) -> None:
    words = describe([Thing(probabilities, novelty)], DIGITS)
    assert words.startswith(with_article(str(probabilities.index(max(probabilities)))))
    assert all(float(percent) <= 99.9 for percent in re.findall(r"([\d.]+)%", words))
