"""The names of a parsed paragraph, and the type of a name by the votes of its mentions.

The model's entities come first: on general text it is right more often than any rule about its answers (Re-DocRED). Runs of
capitalised words and quoted titles add what it leaves out. A rule on types stands here only where it gained there or on manuals.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

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
TECHNICAL: Final = ("PRODUCT", "TECHNOLOGY")
_NUMBERS: Final = frozenset(NUMERIC.values())
MAX_NAME: Final = 80
_HYPHENS: Final = ("-", "–")
_OUTER: Final = frozenset(" ,;:!?'’\"”“()[]-–—/&*\n")
_NUMBERED = re.compile(r"(?:No\. ?\d+|(?!1[5-9]\d\d|20\d\d)\d{1,4}(?:\.\d+)*|[IVX]{1,4})(?![\w%,-])")
_INNER: Final = frozenset({"of", "for", "de", "la", "du", "des", "di", "da", "van", "von", "der", "den"})
_SMALL: Final = frozenset({"ADP", "CCONJ", "SCONJ", "DET", "PRON"})
_QUOTED = re.compile(r'["“]([A-Z][^"”\n]{1,60}?)[,.]?["”]')
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_REFERENCE = re.compile(
    r"(?i)(?:section|chapter|figure|fig|table|appendix|page|part|equation|eq|step|note|example)[\s.\d]*(?:\b[A-Z][\s.\d]*)?"
)
_CODE = re.compile(r"[={}<>|\\$^~`;@]|\w\(|::|->|https?:|www\.|\w/\w+/")
_IDENTIFIER = re.compile(r"[a-z][A-Z]|[A-Za-z]-?\d|\d[A-Za-z]|[A-Za-z]_[A-Za-z]|[A-Z]{2}[a-z]{2}")
_NAMES_CODE = re.compile(r"[A-Za-z]\w*(?:[a-z][A-Z]|[A-Za-z]_[A-Za-z])\w*|[a-z]{1,6}\d{2,}")
_MAKES: Final = frozenset(VOCABULARY["makes"].split())
_POINTING: Final = frozenset(VOCABULARY["pointing"].split())


@dataclass(frozen=True)
class Name:
    """A place where a name is written. type: the model's, or ''. first, last: tokens. told: the type that words beside it tell."""

    text: str
    type: str
    first: int
    last: int
    told: str = ""


def find_names(doc: Any, numeric: bool, prose: bool, ordinary: Container[str]) -> Iterator[Name]:
    """Yield the names of a paragraph. numeric: with dates and numbers. prose: capitals tell something. ordinary: known words."""
    covered: set[int] = set()
    for span in doc.ents:
        label = LABELS.get(span.label_) or (NUMERIC[span.label_] if numeric else "")
        name = _make_name(doc, span.start, span.end - 1, label) if label and span.start not in covered else None
        covered.update(range(name.first if name else span.start, (name.last if name else span.end - 1) + 1))
        if name:
            yield name
    small = {token.text for token in doc if token.text.islower()}
    for first, last in _find_runs(doc, ordinary) if prose else ():
        if (
            covered.isdisjoint(range(first, last + 1))
            and (name := _make_name(doc, first, last, ""))
            and name.text.lower() not in small
        ):
            covered.update(range(first, last + 1))
            yield name
    for token in doc:
        if token.i not in covered and _NAMES_CODE.fullmatch(token.text) and (name := _make_name(doc, token.i, token.i, "")):
            yield name
    for quoted in _QUOTED.finditer(doc.text) if prose else ():
        span = doc.char_span(*quoted.span(1))
        if (
            span is not None
            and all(t.text[0].isupper() for t in span if len(t) > 4)
            and (name := _make_name(doc, span.start, span.end - 1, ""))
        ):
            yield name


def _find_runs(doc: Any, ordinary: Container[str]) -> Iterator[tuple[int, int]]:
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
    if not token.text[:1].isupper() or not token.is_sent_start:
        return token.pos_ == "PROPN" or (token.text[:1].isupper() and token.is_alpha)
    return token.pos_ == "PROPN" or (token.text.isalnum() and token.lower_ not in ordinary and token.lemma_.lower() not in ordinary)


def _make_name(doc: Any, first: int, last: int, kind: str) -> Name | None:
    """Return the name without words that only point at it, or None if nothing is left or it names nothing."""
    while first <= last and (
        not doc[first].text[0].isalnum() or (doc[first].pos_ in _SMALL and (doc[first].is_sent_start or doc[first].text.islower()))
    ):
        first += 1
    while last >= first and (
        doc[last].text[-1] in _OUTER or doc[last].tag_ == "POS" or (doc[last].pos_ in _SMALL and doc[last].text.islower())
    ):
        last -= 1
    titled = False
    while kind in ("", "PERSON") and first < last and not doc[first].text.isupper() and doc[first].lower_.strip(".") in TITLES:
        first, titled = first + 1, True
    if titled and doc[first].pos_ in _SMALL:  # whoever holds an office: the "Siam" of "Prime Minister of Siam"
        first, titled = first + 1, False
    if first > last or (first == last and doc[first].pos_ in _SMALL):
        return None
    if kind not in _NUMBERS:
        first, last = _extend(doc, first, last, kind)
    text = " ".join(doc[first : last + 1].text.split())
    if not 1 < len(text) <= MAX_NAME or not any(map(str.isalpha, text)) or _CODE.search(text) or _REFERENCE.fullmatch(text):
        return None
    if kind in _NUMBERS:
        return Name(text, kind, first, last)
    if (
        (text.islower() and kind)
        or names_nothing(text)
        or (not kind and text.isupper() and sum(map(str.isalpha, text.split())) > 1)
    ):
        return None
    titled = titled or (first > 0 and doc[first - 1].lower_.strip(".") in TITLES)
    return Name(text, kind, first, last, "PERSON" if titled else _read_told_type(doc[first : last + 1].root, first, last, kind))


def _extend(doc: Any, first: int, last: int, kind: str) -> tuple[int, int]:
    """Extend a name over the year of a game, parts joined by hyphens, a model's number, and the noun of a machine."""
    if first and "EVENT" in (kind, head_type(doc[first : last + 1].text)) and _YEAR.fullmatch(doc[first - 1].text):
        first -= 1
    if (joined := _find_joined_end(doc, last)) > last + (3 if kind in ("LOCATION", "GROUP", "PERSON") else 0):
        last = joined
    after = doc[last + 1 : last + 4]
    if kind in ("", "PRODUCT", "EVENT", "ORGANIZATION") and doc[last].whitespace_ and (number := _NUMBERED.match(after.text)):
        tokens = [token for token in after if token.idx < after.start_char + number.end()]
        if tokens[-1].tag_ != "PRP" or tokens[-1].i + 1 == len(doc) or doc[tokens[-1].i + 1].is_punct:
            last = tokens[-1].i
    head = doc[last].head
    if (
        doc[last].dep_ in ("compound", "nmod")
        and last < head.i <= last + 2
        and head.text.islower()
        and noun_type(head.lemma_.lower()) in TECHNICAL
    ):
        last = head.i
    return first, last


def _find_joined_end(doc: Any, last: int) -> int:
    """Return the last token of the capitalised run behind a hyphen: "AES-CBC", "Moravian-Silesian Region"."""
    end = last
    while end + 2 < len(doc) and doc[end + 1].text in _HYPHENS and not (doc[end].whitespace_ or doc[end + 1].whitespace_):
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
    if told := next((kind for noun in nouns if (kind := noun_type(noun.lemma_.lower()))), ""):
        return told
    made = root.dep_ in ("dobj", "nsubjpass") and root.head.lemma_ in _MAKES
    return (
        "PRODUCT"
        if kind in ("", "ORGANIZATION", "PERSON") and (made or any(c.lower_ in ("a", "an") and c.i < first for c in root.children))
        else ""
    )


def token_indexes(found: Mapping[str, Sequence[Name]]) -> set[int]:
    """Return the indexes of all tokens that are part of a name."""
    return {index for group in found.values() for name in group for index in range(name.first, name.last + 1)}


def find_terms(doc: Any, found: Mapping[str, Sequence[Name]]) -> Iterator[Name]:
    """Yield noun phrases of several common words that overlap no name: "cathode ray tube"."""
    taken = token_indexes(found)
    for chunk in doc.noun_chunks:
        first, last = chunk.start, chunk.root.i
        while first < last and (
            doc[first].pos_ not in ("NOUN", "ADJ") or doc[first].lower_ in _POINTING or doc[first].tag_ in ("JJR", "JJS")
        ):
            first += 1
        text = doc[first : last + 1].text
        if (
            first < last < first + 5
            and doc[first - 1].text not in _HYPHENS
            and taken.isdisjoint(range(first, last + 1))
            and text.islower()
            and not any(map(str.isdecimal, text))
            and (name := _make_name(doc, first, last, ""))
        ):
            yield name


def settle_types(found: Mapping[str, Sequence[Name]], told: Mapping[str, Sequence[str]] = {}) -> dict[str, str]:
    """Return the type of each name, by key: the one that its mentions vote for, corrected by its words.

    told: types that sentences tell of a name, by key.
    """
    voted: dict[str, str] = {}
    people: set[str] = set()  # no places, whatever a gazetteer says: parts of people's names, and whom a noun or title tells of
    for key, group in found.items():
        votes = Counter(name.type for name in group if name.type)
        tellings = [*(name.told for name in group if name.told), *told.get(key, ())]
        for kind in tellings:
            votes[kind] += 10 if group[0].text.isupper() else 2  # of an acronym the model can tell no type
        voted[key] = min((-count, kind) for kind, count in votes.items())[1] if votes else ""
        if voted[key] == "PERSON" and " " in key:
            people.update(key.split())
        elif voted[key] == "PERSON" and "PERSON" in tellings and not _IDENTIFIER.search(group[0].text):
            people.add(key)
    return {key: _decide_type(group[0].text, key, voted[key], people) for key, group in found.items()}


def _decide_type(text: str, key: str, kind: str, people: set[str]) -> str:
    if kind in _NUMBERS:
        return kind
    if kind in ("", "GROUP", "LOCATION") and is_faith(text):
        return "ORGANIZATION"
    if kind in ("", "PERSON", "ORGANIZATION", "PRODUCT") and key not in people and is_place(text):
        return "LOCATION"
    if (head := head_type(text)) and kind != "GROUP":
        return head
    if key in people:
        return "PERSON"
    if kind in ("", "PERSON", "LOCATION", "PRODUCT") and _IDENTIFIER.search(text) and " " not in text:
        return "TECHNOLOGY"
    return "LOCATION" if kind == "GROUP" else kind or CONCEPT
