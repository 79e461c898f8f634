"""A parsed paragraph -> its names, and the votes on a name -> its type.

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
_PLURAL_DIGIT = re.compile(r"\d")
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
    """type: empty where the model said none. first, last: tokens. told: the type that words beside it tell."""

    text: str
    type: str
    first: int
    last: int
    told: str = ""


def names(doc: Any, numeric: bool, prose: bool, ordinary: Container[str]) -> Iterator[Name]:
    """numeric: dates and numbers too. prose: capitals tell something. ordinary: words of a dictionary."""
    covered: set[int] = set()
    for span in doc.ents:
        label = LABELS.get(span.label_) or (NUMERIC[span.label_] if numeric else "")
        name = _name(doc, span.start, span.end - 1, label) if label and span.start not in covered else None
        covered.update(range(name.first if name else span.start, (name.last if name else span.end - 1) + 1))
        if name:
            yield name
    small = {token.text for token in doc if token.text.islower()}
    for first, last in _runs(doc, ordinary) if prose else ():
        if covered.isdisjoint(range(first, last + 1)) and (name := _name(doc, first, last, "")) and name.text.lower() not in small:
            covered.update(range(first, last + 1))
            yield name
    for token in doc:
        if token.i not in covered and _NAMES_CODE.fullmatch(token.text) and (name := _name(doc, token.i, token.i, "")):
            yield name
    for quoted in _QUOTED.finditer(doc.text) if prose else ():
        span = doc.char_span(*quoted.span(1))
        if (
            span is not None
            and all(t.text[0].isupper() for t in span if len(t) > 4)
            and (name := _name(doc, span.start, span.end - 1, ""))
        ):
            yield name


def _runs(doc: Any, ordinary: Container[str]) -> Iterator[tuple[int, int]]:
    index = 0
    while index < len(doc):
        last = index
        if _capital(doc[index], ordinary):
            while last + 1 < len(doc) and (
                _capital(doc[last + 1], ordinary)
                or (doc[last + 1].text in _INNER and last + 2 < len(doc) and doc[last + 2].text[:1].isupper())
            ):
                last += 1
            yield index, last
        index = last + 1


def _capital(token: Any, ordinary: Container[str]) -> bool:
    if not token.text[:1].isupper() or not token.is_sent_start:
        return token.pos_ == "PROPN" or (token.text[:1].isupper() and token.is_alpha)
    return token.pos_ == "PROPN" or (token.text.isalnum() and token.lower_ not in ordinary and token.lemma_.lower() not in ordinary)


def _name(doc: Any, first: int, last: int, kind: str) -> Name | None:
    """The name without what only points at it; None where it is none."""
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
        first, last = _extended(doc, first, last, kind)
    text = " ".join(doc[first : last + 1].text.split())
    if not 1 < len(text) <= MAX_NAME or not any(map(str.isalpha, text)) or _CODE.search(text) or _REFERENCE.fullmatch(text):
        return None
    if kind not in _NUMBERS and (
        (text.islower() and kind)
        or names_nothing(text)
        or (not kind and text.isupper() and sum(map(str.isalpha, text.split())) > 1)
    ):
        return None
    titled = titled or (first > 0 and doc[first - 1].lower_.strip(".") in TITLES)
    return Name(text, kind, first, last, "PERSON" if titled else _told(doc[first : last + 1].root, first, last, kind))


def _extended(doc: Any, first: int, last: int, kind: str) -> tuple[int, int]:
    """With the year of a game, what a hyphen joins, the number of a model, and the machine that is named so."""
    if first and "EVENT" in (kind, head_type(doc[first : last + 1].text)) and _YEAR.fullmatch(doc[first - 1].text):
        first -= 1
    if (joined := _joined(doc, last)) > last + (3 if kind in ("LOCATION", "GROUP", "PERSON") else 0):
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


def _joined(doc: Any, last: int) -> int:
    """The end of the capitalised run behind a hyphen: "AES-CBC", "Moravian-Silesian Region"."""
    end = last
    while end + 2 < len(doc) and doc[end + 1].text in _HYPHENS and not (doc[end].whitespace_ or doc[end + 1].whitespace_):
        if not (doc[end + 2].text[0].isupper() or doc[end + 2].text[0].isdigit()):
            break
        end += 2
        while end + 1 < len(doc) and doc[end + 1].text[0].isupper():
            end += 1
    return end


def _told(root: Any, first: int, last: int, kind: str) -> str:
    """The type that words beside the name tell: "X, a river", "the physicist X", "built X", "an X"."""
    nouns = [c for c in root.children if c.dep_ in ("appos", "compound", "nmod") and c.pos_ == "NOUN" and not first <= c.i <= last]
    if root.dep_ == "appos" and root.head.pos_ == "NOUN":
        nouns.append(root.head)
    if told := next((kind for noun in nouns if (kind := noun_type(noun.lemma_.lower()))), ""):
        return told
    made = root.dep_ in ("dobj", "nsubjpass") and root.head.lemma_ in _MAKES
    return (
        "PRODUCT"
        if kind in ("", "ORGANIZATION", "PERSON") and (made or any(c.lower_ in ("a", "an") and c.i < first for c in root.children))
        else ""
    )


def inside(found: Mapping[str, Sequence[Name]]) -> set[int]:
    return {index for group in found.values() for name in group for index in range(name.first, name.last + 1)}


def terms(doc: Any, found: Mapping[str, Sequence[Name]]) -> Iterator[Name]:
    """Noun phrases of several common words beside the names that were found: "cathode ray tube"."""
    taken = inside(found)
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
            and not _PLURAL_DIGIT.search(text)
            and (name := _name(doc, first, last, ""))
        ):
            yield name


def settled(found: Mapping[str, Sequence[Name]], told: Mapping[str, Sequence[str]] = {}) -> dict[str, str]:
    """Names, by the form that makes them one -> the type that their mentions vote for, corrected by their words.

    told: types that sentences tell of a name.
    """
    voted: dict[str, str] = {}
    for key, group in found.items():
        votes = Counter(name.type for name in group if name.type)
        weight = 10 if group[0].text.isupper() else 2  # of an acronym the model can tell no type
        votes.update(weight * [*(name.told for name in group if name.told), *told.get(key, ())])
        voted[key] = min((-count, kind) for kind, count in votes.items())[1] if votes else ""
    surnames = {word for key, kind in voted.items() if kind == "PERSON" and " " in key for word in key.split()}
    return {key: _type(group[0].text, key, voted[key], surnames) for key, group in found.items()}


def _type(text: str, key: str, kind: str, surnames: set[str]) -> str:
    if kind in _NUMBERS:
        return kind
    if kind in ("", "GROUP", "LOCATION") and is_faith(text):
        return "ORGANIZATION"
    if kind in ("", "PERSON", "ORGANIZATION", "PRODUCT") and key not in surnames and is_place(text):
        return "LOCATION"
    if (head := head_type(text)) and kind != "GROUP":
        return head
    if key in surnames:
        return "PERSON"
    if kind in ("", "PERSON", "LOCATION", "PRODUCT") and _IDENTIFIER.search(text) and " " not in text:
        return "TECHNOLOGY"
    return "LOCATION" if kind == "GROUP" else kind or CONCEPT
