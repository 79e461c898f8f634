"""A normalised name -> what resolution compares: its tokens but for spelling, and the signs that tell it from its neighbours.

Everything here reads the normalised form alone. The spelling as written would tell more (capitals, commas, C++ from C), but which
spelling an entity keeps depends on which document came first, and resolution must not.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rapidfuzz.distance import Levenshtein

from aegis_assets.pipeline.entity_types import ORGANIZATION, PERSON, PLACE

# Not in, on, to: "sign in" is not "sign on".
_SMALL: Final = frozenset({"the", "an", "of", "and", "de", "des", "du", "der", "die", "und", "et"})
TITLES: Final = frozenset({"mr", "mrs", "ms", "dr", "prof", "professor", "sir", "lord", "lady", "dame", "president", "phd", "md"})
_GENERATIONS: Final = frozenset({"jr", "sr", "junior", "senior"})
LEGAL: Final = frozenset(
    {"inc", "incorporated", "corp", "corporation", "ltd", "limited", "llc", "gmbh", "ag", "co", "company", "plc", "sa"}
)
_ROMAN: Final = {
    "ii": "2", "iii": "3", "iv": "4", "vi": "6", "vii": "7", "viii": "8", "ix": "9", "xi": "11", "xii": "12", "xiii": "13",
    "xiv": "14", "xv": "15", "xvi": "16", "xvii": "17", "xviii": "18", "xix": "19", "xx": "20", "xxi": "21",
}  # fmt: skip
_LETTERS = re.compile(r"\b[^\W\d_](?: [^\W\d_])+\b")  # "u s" of U.S.
_NUMBER = re.compile(r"^v?(\d+)$")
_HAS_DIGIT = re.compile(r"\d")
_SPELLING: Final = (
    (re.compile(r"(?<=\w{3})is(?=e$|ed$|er$|ing$|ation$|ations$|ational$)"), "iz"),
    (re.compile(r"(?<=\w{3})ys(?=e$|ed$|er$|ing$)"), "yz"),
    (re.compile(r"(?<=\w{2})our(?=$|s$|al$|ed$|ing$)"), "or"),
    (re.compile(r"(?<=\w{2}[bt])re$"), "er"),
    # Only these: "filling" is not "filing".
    (re.compile(r"((?:mode|labe|cance|trave|signa|channe|leve|tunne|pane|equa|tota)l)l(?=ing$|ed$|er$)"), r"\1"),
    (re.compile(r"ogue$"), "og"),
)
# Words one or two letters apart that mean the opposite.
_OPPOSITES: Final = tuple(
    frozenset(pair.split("/"))
    for pair in (
        "hyper/hypo", "inter/intra", "macro/micro", "over/under", "pre/post", "pre/pro", "ex/im", "in/out", "in/ex", "en/de",
        "up/down", "multi/mono", "homo/hetero", "endo/exo", "de/re", "un/re", "ab/ad",
    )
)  # fmt: skip
_OPPOSITE_WORDS: Final = frozenset(
    frozenset(pair.split("/"))
    for pair in (
        "left/right", "input/output", "client/server", "min/max", "minimum/maximum", "read/write", "reader/writer", "source/target",
        "internal/external", "inner/outer", "public/private", "upper/lower", "first/last", "first/second", "north/south",
        "east/west", "start/end", "static/dynamic", "local/remote", "local/global", "local/server", "new/old", "primary/secondary",
        "source/sink", "sender/receiver", "encoder/decoder", "front/back", "high/low", "long/short", "parent/child", "hot/cold",
        "male/female", "positive/negative", "synchronous/asynchronous", "hardware/software", "import/export", "buyer/seller",
    )
)  # fmt: skip
_NEGATIVE: Final = ("un", "non", "anti", "in", "im", "ir", "dis", "de", "a", "re")


@dataclass(frozen=True)
class Form:
    """tokens: significant, in order, spelling and number made one. signs: must agree. key: equal keys are one name.

    initials: of names of three words and more, with and without the small ones.
    """

    tokens: tuple[str, ...]
    signs: tuple[str, ...]
    key: str
    initials: frozenset[str]


@lru_cache(maxsize=65_536)
def form(normalised: str, reading: str) -> Form:
    """Read a name as that of a person, a place, an organisation or anything else (`entity_types.READINGS`).

    Cached because a name is compared with every neighbour in its blocks. The spelling of places and people is kept: Syria and
    Styria are one letter apart, and the Netherlands are no plural.
    """
    person = reading == PERSON
    plain = _without_marks(normalised)
    words = plain.split()
    if words[:1] == ["a"] and len(words) > 1 and not person:
        words = words[1:]  # an article; "Vitamin A" keeps its letter
    initials = {"".join(word[0] for word in group) for group in (words, [w for w in words if w not in _SMALL]) if len(group) >= 3}
    words = words if person else _LETTERS.sub(lambda run: run.group().replace(" ", ""), " ".join(words)).split()
    tokens = words if person else [word for word in words if word not in _SMALL] or words
    signs = tuple(sorted(sign for word in words if (sign := _sign(word, person))))
    if reading == ORGANIZATION:
        while len(tokens) > 1 and tokens[-1] in LEGAL:
            tokens.pop()
    if reading not in (PERSON, PLACE):
        tokens = [_one_spelling(token) for token in tokens]
        tokens[-1:] = [singular(tokens[-1])] if tokens else []
    tokens = [_ROMAN.get(token, token) for token in tokens]
    return Form(tuple(tokens), signs, "".join(tokens), frozenset(initials))


def _without_marks(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ø", "o").replace("ł", "l"))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign) and not "\u02b0" <= sign <= "\u02ff")  # Qurʾān


def _sign(word: str, person: bool) -> str:
    """What tells two names apart for certain: a number, a version, a roman numeral, a single letter (not a person's initial)."""
    number = _NUMBER.match(word)
    if number:
        return number.group(1).lstrip("0") or "0"
    if _HAS_DIGIT.search(word):
        return word
    if word in _ROMAN:
        return _ROMAN[word]
    if person:
        return word if word in _GENERATIONS else ""
    return word if len(word) == 1 and word.isalpha() else ""


def _one_spelling(word: str) -> str:
    for pattern, american in _SPELLING:
        word = pattern.sub(american, word)
    return word


def singular(word: str) -> str:
    """English, by ending. A wrong stem does no harm unless it is another word, so the rules stop where that begins."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is", "ous", "ics", "news", "windows")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    return word[:-1]


def alike(left: Form, right: Form) -> bool:
    """Token by token in order: at most one differs, and that one is long, a letter longer or shorter, and no opposite."""
    if left.signs != right.signs or len(left.tokens) != len(right.tokens):
        return False
    different = [(a, b) for a, b in zip(left.tokens, right.tokens, strict=True) if a != b]
    return len(different) == 1 and _one_slip(*different[0])


def _one_slip(left: str, right: str) -> bool:
    """A letter more or less from 8 letters on, any one letter from 12.

    Other words are as near: leader and loader, casual and causal, contract and contrast, Austria and Australia.
    """
    shorter, longer = sorted((len(left), len(right)))
    if shorter < 8 or left[0] != right[0] or _HAS_DIGIT.search(left + right) or _opposite(left, right):
        return False
    return Levenshtein.distance(left, right, score_cutoff=1) <= 1 and (longer > shorter or shorter >= 12)


def opposed(left: Form, right: Form) -> bool:
    """One has a word where the other has its opposite: input file, output file."""
    ours, theirs = set(left.tokens) - set(right.tokens), set(right.tokens) - set(left.tokens)
    return any(frozenset((a, b)) in _OPPOSITE_WORDS or _opposite(a, b) for a in ours for b in theirs)


def _opposite(left: str, right: str) -> bool:
    for pair in _OPPOSITES:
        one, other = sorted(pair)
        for a, b in ((left, right), (right, left)):
            if a.startswith(one) and b.startswith(other) and a[len(one) :] == b[len(other) :]:
                return True
            if a.endswith(one) and b.endswith(other) and a[: -len(one)] == b[: -len(other)]:
                return True
    longer, shorter = sorted((left, right), key=len, reverse=True)
    return any(longer == prefix + shorter for prefix in _NEGATIVE)


def turned(left: Form, right: Form, left_name: str, right_name: str) -> bool:
    """ "University of Paris" and "Paris University": the same words, turned round an "of"."""
    for a, b, name in ((left, right, left_name), (right, left, right_name)):
        before, found, after = name.partition(" of ")
        if found and " of " not in f" {after} " and a.signs == b.signs:
            front = len([word for word in before.split() if word not in _SMALL])
            if 0 < front < len(a.tokens) and a.tokens[front:] + a.tokens[:front] == b.tokens:
                return True
    return False


def is_acronym_of(short: Form, long: Form, short_name: str) -> bool:
    """NASA and National Aeronautics and Space Administration. From three letters on: two letters fit too many names."""
    return 3 <= len(short_name) <= 8 and short_name.isalpha() and short_name in long.initials


def person_parts(normalised: str) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Return given names or initials, the last name, and jr or sr."""
    words = [word for word in _without_marks(normalised).split() if word not in TITLES]
    generation = tuple(word for word in words if word in _GENERATIONS or word in _ROMAN)
    words = [word for word in words if word not in generation]
    return tuple(words[:-1]), words[-1] if words else "", generation


def persons_compatible(left: str, right: str) -> bool:
    """Same last name, and given names that agree where both have them; an initial agrees with a name that it begins.

    A bare last name is compatible with no one: it fits too many. "J. Smith" fits "John Smith", which fits "John A. Smith".
    """
    (given, last, generation), (other_given, other_last, other_generation) = person_parts(left), person_parts(right)
    if last != other_last or generation != other_generation or len(last) < 2 or not given or not other_given:
        return left == right
    fits = zip(given, other_given, strict=False)
    return all(a == b or (min(len(a), len(b)) == 1 and a[0] == b[0]) for a, b in fits)
