"""A parsed paragraph -> candidate names: corrected named entities, and technical terms among its noun phrases.

The small model's entity types are unreliable on technical prose: it calls Neo4j, Bolt and GPT-4 persons. So a type is believed only
where the words look like it, and what does not becomes a TERM. Terms are strong (identifiers, acronyms, proper names, phrases that
recur) or weak (any other phrase of several words); a weak one is kept only as an end of a relation whose other end is strong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

TERM: Final = "TERM"
TYPES: Final = {
    "PERSON": "PERSON", "ORG": "ORGANIZATION", "GPE": "LOCATION", "LOC": "LOCATION", "FAC": "LOCATION", "PRODUCT": "PRODUCT",
    "EVENT": "EVENT", "WORK_OF_ART": "WORK", "LAW": "LAW", "LANGUAGE": "LANGUAGE", "NORP": "GROUP",
}  # fmt: skip
NUMERIC: Final = {
    "DATE": "DATE", "TIME": "TIME", "PERCENT": "PERCENT", "MONEY": "MONEY", "QUANTITY": "QUANTITY", "ORDINAL": "NUMBER",
    "CARDINAL": "NUMBER",
}  # fmt: skip
# Words that a collection's schema may use for what the model calls otherwise.
SYNONYMS: Final = {
    "ORG": "ORGANIZATION", "ORGANISATION": "ORGANIZATION", "COMPANY": "ORGANIZATION", "INSTITUTION": "ORGANIZATION",
    "PLACE": "LOCATION", "GPE": "LOCATION", "CITY": "LOCATION", "COUNTRY": "LOCATION", "PEOPLE": "PERSON", "HUMAN": "PERSON",
    "CONCEPT": "TERM", "TECHNOLOGY": "TERM", "SOFTWARE": "TERM", "METHOD": "TERM", "TOPIC": "TERM", "TECHNICAL_TERM": "TERM",
    "WORK_OF_ART": "WORK", "NATIONALITY": "GROUP", "NORP": "GROUP",
}  # fmt: skip

MIN_LENGTH: Final = 2
MAX_LENGTH: Final = 80
MAX_WORDS: Final = 6
MAX_TOKENS: Final = 1_200  # of a paragraph; beyond is no prose, and walking its phrases costs quadratic time
_HYPHENS: Final = ("-", "–")
_JOINING: Final = ("ADP", "CCONJ", "SCONJ", "DET")  # a name does not end with them
_NUMBER_WORDS: Final = frozenset({"no", "nr", "vol"})

_WORDS = re.compile(r"\S+")
_GENERIC_HEADS: Final = frozenset(_WORDS.findall(
    "thing way case example number part kind type sort set lot list range series variety time day week month year moment place "
    "side end start beginning step point order result value name item element one other section chapter page figure table appendix "
    "paragraph line word reason fact idea question problem issue detail details information use need difference same use user "
    "people person man woman author reader something anything everything nothing front back top bottom left right following "
    "amount majority most many few more less rest note default option parameter argument description overview introduction "
    "file name function string element structure definition error command system program data object field method text code "
    "content character input output input process operation feature property attribute document area level state status mode "
    "version change action support access rule task test job work time unit task size length width height position address key "
    "entry group class instance copy sequence return returns pointer array index character byte bit ability approach purpose"
))  # fmt: skip
_GENERIC_MODIFIERS: Final = frozenset(_WORDS.findall(
    "a an the this that these those some any each every all both no another other such same own its their his her our your my many "
    "much more most few several various different certain particular specific new old next last first second third previous "
    "following current good better best bad large larger small smaller big great high low long short simple common usual main "
    "important general possible available necessary whole entire full only single given very one two three four five"
))  # fmt: skip
_REFERENCE = re.compile(
    r"(?i)^(?:section|chapter|figure|fig|table|appendix|page|part|equation|eq|step|note|example|see)\b[\s.\d]*(?:[A-Z]\b[\s.\d]*)?"
)
_ACRONYM = re.compile(r"^(?:[A-Z][A-Z0-9]{1,7}|[A-Z](?:[A-Z]|\d|[-/&+]){1,9})s?$")
_IDENTIFIER = re.compile(r"[a-z][A-Z]|[A-Za-z]\d|\d[A-Za-z]|[a-z]_[a-z]|[A-Z]_[A-Z]|[A-Z]{2}[a-z]{2}")
_NAMES_CODE = re.compile(r"^[A-Za-z]\w*(?:[a-z][A-Z]|[A-Za-z]_[A-Za-z])\w*$")
_CODE = re.compile(r"[={}<>|\\$#^~`;@]|\w\(|\)\w|::|->|https?:|www\.|\w/\w+/")
_PERSONAL = re.compile(
    r"^(?:[A-Z]\.|[A-Z][a-zà-ÿ'’-]+|(?:Mc|Mac|O['’]|De|Di|La|Le|Van)[A-Z][a-zà-ÿ-]+|de|da|von|van|der|den|di|la|le|bin|al)$"
)
_PLAIN_WORD = re.compile(r"^[A-Z][a-zà-ÿ]+(?:['’-][A-Za-zà-ÿ]+)*$")


@dataclass(frozen=True)
class Candidate:
    """start, end: characters in the paragraph. root: index of the head token. key: what counts as the same name."""

    name: str
    type: str
    start: int
    end: int
    root: int
    first: int
    last: int
    strong: bool
    key: str


def candidates(doc: Any, numeric: bool) -> list[Candidate]:
    """Entities first, then noun phrases that no entity overlaps. numeric: the schema asks for dates, amounts or numbers."""
    # Both are properties that walk the whole paragraph: read once, they cost a tenth of the run instead of half of it.
    doc.user_data["text"] = doc.text
    doc.user_data["words"] = frozenset(token.text for token in doc)
    found = [candidate for span in doc.ents if (candidate := _entity(doc, span, numeric))]
    taken = {index for candidate in found for index in range(candidate.first, candidate.last + 1)}
    taken.update(token.i for span in doc.ents if span.label_ in NUMERIC and span.label_ != "CARDINAL" for token in span)
    roots = [chunk.root for chunk in doc.noun_chunks if len(doc) <= MAX_TOKENS]
    terms = [term for root in roots if (term := _term(doc, root))]
    terms += [
        term for token in doc if _NAMES_CODE.match(token.text) and (term := _candidate(doc, token.i, token.i, TERM, strong=True))
    ]
    for candidate in terms:
        covered = taken.intersection(range(candidate.first, candidate.last + 1))
        if not covered:
            found.append(candidate)
            taken.update(range(candidate.first, candidate.last + 1))
        elif candidate.root not in covered:
            found.extend(_longer(found, candidate))
    return found


def _longer(found: list[Candidate], term: Candidate) -> list[Candidate]:
    """A TERM that is only the beginning of a longer phrase ("Cypher" of "Cypher query language") gives way to it."""
    inside = [c for c in found if term.first <= c.first and c.last <= term.last]
    if inside and all(c.type == TERM for c in inside) and all(term.first <= c.first and c.last <= term.last for c in inside):
        return [Candidate(**{**term.__dict__, "strong": any(c.strong for c in inside) or term.strong})]
    return []


def _entity(doc: Any, span: Any, numeric: bool) -> Candidate | None:
    if span.label_ in NUMERIC:
        return _candidate(doc, span.start, span.end - 1, NUMERIC[span.label_], strong=True) if numeric else None
    first, last = span.start, span.end - 1
    while first <= last and (not doc[first].text[0].isalnum() or doc[first].pos_ == "DET" or _generic(doc[first])):
        first += 1
    last = _numbered(doc, last)
    while last >= first and (not doc[last].text[-1].isalnum() or doc[last].text in ("'s", "’s") or doc[last].pos_ in _JOINING):
        last -= 1
    if first > last:
        return None
    kind = _believed(doc, first, last, TYPES.get(span.label_, TERM))
    return _candidate(doc, first, last, kind, strong=True) if kind else None


def _numbered(doc: Any, last: int) -> int:
    """The last token of "Difference Engine No. 2", of which the model leaves out the number. Without a number the word goes."""
    if doc[last].lower_.rstrip(".") not in _NUMBER_WORDS:
        return last
    number = last + 2 if last + 1 < len(doc) and doc[last + 1].text == "." else last + 1
    return number if number < len(doc) and doc[number].like_num else last - 1


def _believed(doc: Any, first: int, last: int, kind: str) -> str | None:
    """The entity type that the words support; TERM where they are a name of another kind, None where they are no name."""
    tokens = [doc[index] for index in range(first, last + 1)]
    text = doc[first : last + 1].text
    single = len(tokens) == 1
    modifies = doc[last].dep_ in ("compound", "amod", "nmod") and doc[last].head.i > last and doc[last].head.pos_ == "NOUN"
    hyphenated = doc[min(last + 1, len(doc) - 1)].text in _HYPHENS and not doc[last].whitespace_
    if (
        hyphenated
        or "\n" in text
        or ("," in text and kind != "WORK")
        or not any(token.text[:1].isupper() for token in tokens)
        or _REFERENCE.match(text)
    ):
        return None
    if single and (tokens[0].pos_ != "PROPN" or (kind == "LOCATION" and not _is_proper(doc, tokens[0]))):
        return None
    if kind == "PERSON":
        personal = len(tokens) >= 2 and all(_PERSONAL.match(token.text) for token in tokens) and not modifies
        return "PERSON" if personal and len(tokens) <= 5 else (TERM if not single or _is_proper(doc, tokens[0]) else None)
    if single and (kind in ("WORK", "EVENT", "LAW") or (kind != "GROUP" and "_" in text)):
        return TERM if _is_proper(doc, tokens[0]) else None
    if kind != "LOCATION" and all(_ACRONYM.match(t.text) or _IDENTIFIER.search(t.text) for t in tokens) and not _acts(doc[last]):
        return TERM
    if kind == "GROUP":
        return "GROUP" if doc[last].tag_ in ("NNPS", "NNS") else None
    if kind in ("LOCATION", "ORGANIZATION", "EVENT", "LANGUAGE") and (_IDENTIFIER.search(text) and single and kind == "LOCATION"):
        return TERM
    if kind == "LOCATION" and (
        modifies or not all(_PLAIN_WORD.match(t.text) or t.text.lower() in _SMALL or _ACRONYM.match(t.text) for t in tokens)
    ):
        return TERM if not single or _is_proper(doc, tokens[0]) else None
    if kind in ("ORGANIZATION", "PRODUCT", "WORK", "LAW") and (modifies or (single and not _is_proper(doc, tokens[0]))):
        return TERM if _is_proper(doc, tokens[-1]) else None
    return kind


def _acts(token: Any) -> bool:
    """The subject or agent of something that organisations do: what tells IBM from NULL, both of which the model calls so."""
    verb = token.head.head if token.dep_ == "pobj" and token.head.dep_ == "agent" else token.head
    return (token.dep_ in ("nsubj", "pobj") and verb.lemma_ in _DEEDS) or token.dep_ == "poss"


_DEEDS: Final = frozenset(_WORDS.findall(
    "acquire announce approve award buy build claim create decide design develop employ establish fund found hire invent launch "
    "maintain manufacture name offer operate own plan pay produce publish release report research say sell sign sponsor sue "
    "support win work"
))  # fmt: skip
_SMALL: Final = frozenset({"of", "the", "and", "de", "la", "del", "du", "am", "an", "der", "upon", "-"})


def _is_proper(doc: Any, token: Any) -> bool:
    """Not an ordinary word that stands at the start of a sentence or is written small elsewhere in the paragraph."""
    if _IDENTIFIER.search(token.text) or _ACRONYM.match(token.text):
        return True
    small = token.lower_
    return token.text[:1].isupper() and not {small, small + "s"} & doc.user_data["words"]


def _term(doc: Any, root: Any) -> Candidate | None:
    """The noun phrase that ends at `root`, without what only points at it."""
    if root.pos_ not in ("NOUN", "PROPN") or not any(character.isalpha() for character in root.text):
        return None
    first = root.i
    while first > max(0, root.i - 2 * MAX_WORDS) and not doc[first].is_sent_start and _belongs(doc[first - 1], doc[first], root):
        first -= 1
    while first < root.i and not doc[first].text[0].isalnum():
        first += 1
    while first < root.i and doc[first + 1].text not in _HYPHENS and _points(doc[first]):
        first += 1
    last = _numbered(doc, _with_of(doc, root))
    if last < first:
        return None
    words = last - first + 1
    name = doc[first : last + 1].text
    if words > MAX_WORDS + 2 * name.count("-") or (words == 1 and root.lemma_.lower() in _GENERIC_HEADS):
        return None
    proper = any(token.pos_ == "PROPN" and _is_proper(doc, token) for token in doc[first : last + 1])
    identifier = bool(_IDENTIFIER.search(name)) or (words == 1 and bool(_ACRONYM.match(name)))
    return _candidate(doc, first, last, TERM, strong=identifier or proper)


def _with_of(doc: Any, root: Any) -> int:
    """The last token of "Treaty of Versailles": a proper name of a proper name is one name."""
    if root.pos_ == "PROPN" and root.i + 2 < len(doc) and doc[root.i + 1].lower_ == "of":
        last = root.i + 2
        while last + 1 < len(doc) and doc[last + 1].pos_ == "PROPN" and doc[last].dep_ == "compound":
            last += 1
        if doc[last].pos_ == "PROPN" and doc[last].text[0].isupper() and last - root.i <= MAX_WORDS:
            return int(last)
    return int(root.i)


def _points(token: Any) -> bool:
    """Says which one is meant, not what it is."""
    return token.pos_ in ("PUNCT", "ADV", "DET", "PRON") or _generic(token)


def _generic(token: Any) -> bool:
    """The "new" of a new engine, and not the "New" of New York."""
    return token.lower_ in _GENERIC_MODIFIERS and token.pos_ != "PROPN"


def _belongs(token: Any, following: Any, root: Any) -> bool:
    """Is `token` inside the phrase of `root`? A comma, a conjunction, a possessive or an article ends it."""
    if token.text in _HYPHENS and token.whitespace_ == "" and following.i > 0:
        return True
    if following.text in _HYPHENS and token.whitespace_ == "":
        return token.pos_ != "SPACE"
    if _generic(token) or token.dep_ in ("poss", "det", "case", "nummod", "conj", "appos", "predet"):
        return False
    return token.pos_ in ("NOUN", "PROPN", "ADJ", "VERB") and token.dep_ in ("compound", "amod", "nmod") and token.head.i <= root.i


def _candidate(doc: Any, first: int, last: int, kind: str, *, strong: bool) -> Candidate | None:
    span = doc[first : last + 1]
    name = " ".join(span.text.split())
    text = doc.user_data["text"]
    before = text[max(0, span.start_char - 1) : span.start_char]
    after = text[span.end_char : span.end_char + 2]
    if not MIN_LENGTH <= len(name) <= MAX_LENGTH or _CODE.search(name) or name[0] in "-_/*+." or not any(map(str.isalpha, name)):
        return None
    if _REFERENCE.fullmatch(name) or (before in "._/\\$@#-" and before) or after[:1] in ("_", "\\") or after.startswith("="):
        return None
    root = span.root.i if first <= span.root.i <= last else last
    key = " ".join((token.lemma_ if token.i == last and token.tag_ == "NNS" else token.text).lower() for token in span)
    return Candidate(name, kind, span.start_char, span.end_char, root, first, last, strong, key)
