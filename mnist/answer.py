"""The words for what a network reads: how sure it is, whether it knows such a thing, and several things in a row.

report/answer.js says the same in the page.
"""

from collections.abc import Sequence
from typing import NamedTuple

KNOWN = 1.0
"""A thing of a higher novelty looks like nothing that the network was trained on (mnist/novelty.py)."""

_SURE, _LIKELY = 0.9, 0.5
# A class with less is not mentioned.
_POSSIBLE = 0.05
MOST = 0.999
"""No more is claimed: some thousand validation images cannot show it."""

_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine"}


class Thing(NamedTuple):
    """What the network says of one drawn thing: the probability of each class, and its novelty."""

    probabilities: Sequence[float]
    novelty: float

    @property
    def looks_known(self) -> bool:
        """Whether it looks like what the network was trained on."""
        return self.novelty <= KNOWN


def choose_things(whole: Thing, parts: Sequence[Thing]) -> list[Thing]:
    """Return what there is to read: the whole or, where that looks unknown and some of its parts do not, the parts."""
    several = len(parts) > 1 and not whole.looks_known and any(part.looks_known for part in parts)
    return list(parts) if several else [whole]


def describe(things: Sequence[Thing], names: Sequence[str]) -> str:
    """Return in words what `things` are, left to right: "a 7 (99.6%)"; `names` are those of the classes."""
    if len(things) == 1:
        return _describe_one(things[0], names)
    unknown = f"one that does not look like {_kind(names)}"
    phrases = [_share(thing, _ranked(thing)[0], names) if thing.looks_known else unknown for thing in things]
    listed = f"{', '.join(phrases[:-1])} and {phrases[-1]}"
    if all(thing.looks_known and len(_best(thing, names)) == 1 for thing in things):
        return f"{''.join(_best(thing, names) for thing in things)}: {listed}"
    return f"there are {_NUMBERS.get(len(things), len(things))} things here: {listed}"


def _describe_one(thing: Thing, names: Sequence[str]) -> str:
    first, second = _ranked(thing)[:2]
    if not thing.looks_known:
        return f"this does not look like {_kind(names)}; the nearest is {with_article(names[first])}"
    if thing.probabilities[first] >= _SURE:
        return _share(thing, first, names)
    hedge = "I think" if thing.probabilities[first] >= _LIKELY else "perhaps"
    other = f"; or {_share(thing, second, names)}" if thing.probabilities[second] >= _POSSIBLE else ""
    return f"{with_article(names[first])}, {hedge} ({_percent(thing.probabilities[first])}){other}"


def _share(thing: Thing, number: int, names: Sequence[str]) -> str:
    return f"{with_article(names[number])} ({_percent(thing.probabilities[number])})"


def _best(thing: Thing, names: Sequence[str]) -> str:
    return names[_ranked(thing)[0]]


def _ranked(thing: Thing) -> list[int]:
    """Return the classes, the most probable first."""
    return sorted(range(len(thing.probabilities)), key=lambda number: -thing.probabilities[number])


def _kind(names: Sequence[str]) -> str:
    return "a digit" if all(name.isdecimal() for name in names) else "anything that the network has learnt"


def _percent(probability: float) -> str:
    """Return a probability in percent, with a decimal only where the network is sure."""
    return f"{100 * min(probability, MOST):.{1 if probability >= _SURE else 0}f}%"


def with_article(name: str) -> str:
    """Return the name of a class with "a" or "an", as it is spoken: an 8, an F, an ankle boot."""
    spoken_with_vowel = name in {"11", "18"} or (
        name.upper() in "AEFHILMNORSX"
        if len(name) == 1 and name.isalpha()
        else name.lower().startswith(tuple("aeiou8"))
    )
    return f"{'an' if spoken_with_vowel else 'a'} {name}"
