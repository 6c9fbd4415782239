"""Plain words for people who write recipes: the nearest right word, and what a value is."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import takewhile

CUTOFF = 0.55  # a little below difflib's own, so that one wrong letter in a word of three is still near


def plain(word: str) -> str:
    """The word as it compares: podSubnet, pod-subnet and Pod_Subnet are all one."""
    return word.casefold().replace("-", "").replace("_", "")


def one_edit(one: str, other: str) -> bool:
    """Whether a letter more, less or another makes the one word the other."""
    start = _alike(one, other)
    end = _alike(one[start:][::-1], other[start:][::-1])
    return max(len(one), len(other)) - start - end <= 1


def _alike(one: str, other: str) -> int:
    """How many letters they begin with are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known words most like `word`, usually one; several when they are equally near, none when all are far.

    What one letter makes right comes before what is longer and has more letters in common.
    """
    names = list(known)
    names = [other for other in names if one_edit(plain(word), plain(other))] or names
    scores = {other: SequenceMatcher(None, plain(word), plain(other), autojunk=False).ratio() for other in names}
    best = max(scores.values(), default=0.0)
    return sorted(other for other, score in scores.items() if score == best) if best >= CUTOFF else []


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "did you mean 'x'?", or "" when no known word is near."""
    found = nearest(word[:100], known)
    return f"did you mean {' or '.join(repr(other) for other in found)}?" if found else ""


def one_of(word: str, known: Iterable[str]) -> str:
    """The nearest word, or the whole list when none is near."""
    names = sorted(known)
    return did_you_mean(word, names) or ("known: " + ", ".join(names) if names else "")


def shown(text: str, limit: int = 60) -> str:
    """The text in quotes, on one line, cut when it is long."""
    return repr(text if len(text) <= limit else text[: limit - 3] + "...")


def kind_of(value: object) -> str:
    """What a value from YAML is."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "a group of keys"
    return f"a {type(value).__name__}"
