"""The names of a parsed paragraph, and the type of a name by the votes of its mentions.

The model's entities come first: on general text it is right more often than any rule about its answers (Re-DocRED). Runs of
capitalised words, names in code and quoted titles add what it leaves out. A rule stands here only where it gained there or on
manuals.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from aegis_assets.engines.name_types import TITLES, VOCABULARY, head_type, is_faith, is_place, names_nothing, noun_type

CONCEPT: Final = "CONCEPT"
LABELS: Final = {
    "PERSON": "PERSON", "ORG": "ORGANIZATION", "GPE": "LOCATION", "LOC": "LOCATION", "FAC": "LOCATION", "PRODUCT": "PRODUCT",
    "EVENT": "EVENT", "WORK_OF_ART": "WORK", "LAW": "LAW", "LANGUAGE": "LANGUAGE", "NORP": "GROUP",
    "PER": "PERSON", "MISC": CONCEPT,
}  # fmt: skip
NUMERIC: Final = {
    "DATE": "DATE", "TIME": "TIME", "PERCENT": "PERCENT", "MONEY": "MONEY", "QUANTITY": "QUANTITY", "ORDINAL": "NUMBER",
    "CARDINAL": "NUMBER",
}  # fmt: skip
KINDS: Final = LABELS | NUMERIC
TECHNICAL: Final = ("PRODUCT", "TECHNOLOGY")
UNSURE_ALONE: Final = frozenset({"ORGANIZATION", "PRODUCT", "WORK", "LAW", "EVENT"})
MAX_NAME: Final = 80
_NUMBERS: Final = frozenset(NUMERIC.values())
_INNER: Final = frozenset({"of", "for", "de", "la", "du", "des", "di", "da", "van", "von", "der", "den"})
_SMALL: Final = frozenset({"ADP", "CCONJ", "SCONJ", "DET", "PRON"})
_MAKES: Final = frozenset(VOCABULARY["makes"].split())
_POINTING: Final = frozenset(VOCABULARY["pointing"].split())
_NUMBERED = re.compile(r"(?:No\. ?\d+|(?!1[5-9]\d\d|20\d\d)\d{1,4}(?:\.\d+)*|[IVX]{1,4})(?![\w%,-])")
_ENDS_NUMBERED = re.compile(r"\w (?:\d+|[IVX]+)$")
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_QUOTED = re.compile(r'["“]([A-Z][^"”\n]{1,60}?)[,.]?["”]')
_CODE = re.compile(r"[={}<>|\\$^~`;@]|\w\(|::|->|https?:|www\.|\w/\w+/")
_IDENTIFIER = re.compile(r"[a-z][A-Z]|[A-Za-z]-?\d|\d[A-Za-z]|[A-Za-z]_[A-Za-z]|[A-Z]{2}[a-z]{2}")
_NAMES_CODE = re.compile(r"[A-Za-z]\w*(?:[a-z][A-Z]|[A-Za-z]_[A-Za-z])\w*|[a-z]{1,6}\d{2,}")


@dataclass(frozen=True)
class Name:
    """A place where a name is written. type: the model's, or ''. first, last: tokens. told: the type that words beside it tell."""

    text: str
    type: str
    first: int
    last: int
    told: str = ""


class Settled(NamedTuple):
    """The type of a name, and whether more than the model's guess at a lone word tells it."""

    type: str
    sure: bool


def find_names(doc: Any, numeric: bool, ordinary: Container[str]) -> Iterator[Name]:
    """Yield the names of a paragraph. numeric: with dates and numbers. ordinary: words that begin a sentence and no name."""
    covered: set[int] = set()
    for first, last, label in _find_candidates(doc, ordinary):
        if covered.isdisjoint(range(first, last + 1)):
            name = None if label in NUMERIC and not numeric else _make_name(doc, first, last, KINDS.get(label, ""))
            covered.update(range(first, last + 1) if label else (), range(name.first, name.last + 1) if name else ())
            if name:
                yield name if ordinary else replace(name, told="")  # a table's cells tell nothing of each other


def _find_candidates(doc: Any, ordinary: Container[str]) -> Iterator[tuple[int, int, str]]:
    """Yield (first token, last token, the model's label) of what may be a name, what is surest first."""
    quoted = (doc.char_span(*match.span(1)) for match in _QUOTED.finditer(doc.text))
    yield from ((q.start, q.end - 1, "") for q in quoted if q is not None and all(t.text[0].isupper() for t in q if len(t) > 4))
    yield from ((span.start, span.end - 1, span.label_) for span in doc.ents)
    yield from ((first, last, "") for first, last in _find_runs(doc, ordinary))
    yield from ((token.i, token.i, "") for token in doc if _NAMES_CODE.fullmatch(token.text))
    yield from ((first, last, "") for first, last in _find_terms(doc))


def _find_runs(doc: Any, ordinary: Container[str]) -> Iterator[tuple[int, int]]:
    """Yield runs of capitalised words, with small ones inside: "University of Paris"."""
    index = 0
    while index < len(doc):
        last = index
        if _is_capitalised(doc[index], ordinary):
            while last + 1 < len(doc) and (
                _is_capitalised(doc[last + 1], ordinary)
                or (doc[last + 1].text in _INNER and last + 2 < len(doc) and doc[last + 2].text[:1].isupper())
            ):
                last += 1
            yield index, last
        index = last + 1


def _is_capitalised(token: Any, ordinary: Container[str]) -> bool:
    known = token.is_sent_start and (token.lower_ in ordinary or token.lemma_.lower() in ordinary)
    return token.text[:1].isupper() and (token.pos_ == "PROPN" or (token.is_alpha and not known))


def _make_name(doc: Any, first: int, last: int, kind: str) -> Name | None:
    """Return the name without words that only point at it, or None if nothing is left or it names nothing."""
    last = next((token.i - 1 for token in doc[first + 1 : last + 1] if token.text in "(["), last)
    while first <= last and _is_outer(doc[first]):
        first += 1
    while first <= last and (_is_outer(doc[last]) or doc[last].tag_ == "POS"):
        last -= 1
    before = first
    while kind in ("", "PERSON") and first < last and not doc[first].text.isupper() and _is_title(doc[first]):
        first += 1
    is_titled = first > before
    if first > before and doc[first].pos_ in _SMALL:  # whoever holds an office: the "Siam" of "Prime Minister of Siam"
        first, is_titled = first + 1, False
    if first > last or (first == last and doc[first].pos_ in _SMALL):
        return None
    if first and kind == "EVENT" and _YEAR.fullmatch(doc[first - 1].text):
        first -= 1
    last = _extend(doc, _find_joined_end(doc, last), kind) if kind not in _NUMBERS else last
    text = " ".join(doc[first : last + 1].text.split())
    if not 1 < len(text) <= MAX_NAME or not any(map(str.isalpha, text)) or _CODE.search(text) or names_nothing(text):
        return None
    if (text.islower() and kind and kind not in _NUMBERS) or (
        not kind and text.isupper() and sum(map(str.isalpha, text.split())) > 1
    ):
        return None
    told = "PERSON" if is_titled else _read_told_type(doc[first : last + 1].root, first, last, kind)
    return Name(text, kind, first, last, told if kind not in _NUMBERS else "")


def _is_outer(token: Any) -> bool:
    """Return whether no name begins or ends with the token."""
    return not token.text[0].isalnum() or (token.pos_ in _SMALL and (token.is_sent_start or token.text.islower()))


def _is_title(token: Any) -> bool:
    return token.lower_.strip(".") in TITLES


def _extend(doc: Any, last: int, kind: str) -> int:
    """Return the last token of a name with the noun of a machine, a part that the model left out, and the number of a model."""
    head = doc[last].head
    is_part = head.text.istitle() and head.text != "No" and not head.ent_type_  # the "Franck" of Helmut Franck
    is_machine = head.text.islower() and noun_type(head.lemma_.lower()) in TECHNICAL
    if doc[last].dep_ in ("compound", "nmod") and last < head.i <= last + 2 and (is_part or is_machine):
        last = head.i
    after = doc[last + 1 : last + 4]
    if kind in ("", "PRODUCT", "EVENT", "ORGANIZATION") and doc[last].whitespace_ and (number := _NUMBERED.match(after.text)):
        return next(token.i for token in after if token.idx + len(token) >= after.start_char + number.end())
    return last


def _find_joined_end(doc: Any, last: int) -> int:
    """Return the last token of the capitalised run behind a hyphen: "AES-CBC", "Moravian-Silesian Region"."""
    end = last
    while end + 2 < len(doc) and doc[end + 1].text in ("-", "–") and not (doc[end].whitespace_ or doc[end + 1].whitespace_):
        if not (doc[end + 2].text[0].isupper() or doc[end + 2].text[0].isdigit()):
            break
        end += 2
        while end + 1 < len(doc) and doc[end + 1].text[0].isupper():
            end += 1
    return end


def _read_told_type(root: Any, first: int, last: int, kind: str) -> str:
    """Return the type that words beside the name tell: "X, a river", "his daughter X", "built X", "an X"."""
    nouns = [c for c in root.children if c.dep_ in ("appos", "compound", "nmod") and c.pos_ == "NOUN" and not first <= c.i <= last]
    apposed = min((root, *root.conjuncts), key=lambda other: other.i)
    if apposed.dep_ == "appos" and apposed.head.pos_ == "NOUN" and (apposed == root or apposed.head.tag_ == "NNS"):
        nouns.append(apposed.head)  # a plural tells of all: "his sons X and Y"
    if told := next((told for noun in nouns if (told := noun_type(noun.lemma_.lower()))), ""):
        return told
    made = root.dep_ in ("dobj", "nsubjpass") and root.head.lemma_ in _MAKES
    made = made or any(child.lower_ in ("a", "an") and child.i < first for child in root.children)
    return "PRODUCT" if made and kind in ("", "ORGANIZATION", "PERSON", "LOCATION") else ""


def _find_terms(doc: Any) -> Iterator[tuple[int, int]]:
    """Yield English noun phrases of several common words that are technical: "cathode ray tube"."""
    for chunk in doc.noun_chunks if doc.lang_ == "en" else ():  # spaCy has none in some languages, and raises
        last = chunk.root.i
        first = next((t.i for t in chunk if t.tag_ in ("NN", "NNS", "JJ") and t.lower_ not in _POINTING), last)
        text = doc[first : last + 1].text
        if first < last < first + 5 and doc[first - 1].text != "-" and text.islower() and head_type(text) in TECHNICAL:
            yield first, last


def settle_types(found: Mapping[str, Sequence[Name]], told: Mapping[str, Sequence[str]] = {}) -> dict[str, Settled]:
    """Return the type of each name, by key: what words beside its mentions tell, else what the model votes for them, by its words.

    told: types that sentences tell of a name, by key.
    """
    tellings = {key: Counter([*(name.told for name in group if name.told), *told.get(key, ())]) for key, group in found.items()}
    votes = {key: tellings[key] or Counter(name.type for name in group if name.type) for key, group in found.items()}
    voted = {key: min((-count, kind) for kind, count in votes[key].items())[1] if votes[key] else "" for key in found}
    people: set[str] = set()  # no places, whatever a gazetteer says: parts of people's names, and whom a noun or title tells of
    for key, kind in voted.items():
        is_named = not head_type(key) if " " in key else tellings[key] and not _IDENTIFIER.search(found[key][0].text)
        if kind == "PERSON" and is_named:
            people.update(key.split())
    types = {key: _decide_type(group[0].text, key, voted[key], people) for key, group in found.items()}
    return {key: Settled(kind, not _is_unsure(key, kind) or bool(tellings[key])) for key, kind in types.items()}


def _is_unsure(key: str, kind: str) -> bool:
    """Return whether nothing but the model tells the type of a lone word: it takes a surname for a firm as often as not."""
    return kind == CONCEPT or (" " not in key and kind in UNSURE_ALONE)


def _decide_type(text: str, key: str, kind: str, people: set[str]) -> str:
    if kind in _NUMBERS:
        return kind
    if kind in ("", "GROUP", "LOCATION") and is_faith(text):
        return "ORGANIZATION"
    if kind in ("", "PERSON", "ORGANIZATION", "PRODUCT", "TECHNOLOGY") and key not in people and is_place(text):
        return "LOCATION"
    if (head := head_type(text)) and kind != "GROUP":
        return head
    if key in people:
        return "PERSON"
    if kind == "ORGANIZATION" and _ENDS_NUMBERED.search(text):
        return "PRODUCT"
    if kind in ("", "PERSON", "LOCATION", "PRODUCT") and _IDENTIFIER.search(text) and " " not in text:
        return "TECHNOLOGY"
    return "LOCATION" if kind == "GROUP" else kind or CONCEPT
