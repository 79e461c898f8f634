"""Names of texts in languages without a model, and with one by setting."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import spacy as library

from aegis_assets.engines.spacy_extractor import SpacyExtractor
from aegis_assets.model.extraction import Schema

ARTICLES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("languages.json").read_text(encoding="utf-8"))["articles"]
FRENCH = "La société Norlune fabrique des lampes à Tourcoing. Elle est dirigée par Mirelle Fabre depuis dix ans."


@pytest.mark.parametrize("article", ARTICLES, ids=lambda article: str(article["language"]))
def test_an_article_gives_five_names_that_a_reader_would_give(spacy: SpacyExtractor, article: dict[str, Any]) -> None:
    found = spacy.extract_batch([article["text"]], Schema())[0]
    names = {mention.name for mention in found.mentions}
    assert found.skipped is None
    assert len(names & set(article["names"])) >= 5
    assert len(names & set(article["names"])) >= 0.6 * len(names), "and little else"
    assert all(article["text"][mention.start : mention.end] == mention.name for mention in found.mentions)


def test_words_tell_types_where_they_can_and_the_rest_is_a_concept(spacy: SpacyExtractor) -> None:
    text = "Detlef Ahrens leitet die Kessler Werkzeugbau GmbH in Hannover."
    found = {mention.name: mention.type for mention in spacy.extract_batch([text], Schema())[0].mentions}
    assert found == {"Detlef Ahrens": "CONCEPT", "Kessler Werkzeugbau GmbH": "ORGANIZATION", "Hannover": "LOCATION"}


def test_a_language_without_capitals_gives_terms(spacy: SpacyExtractor) -> None:
    text = "يعد نهر النيل أطول أنهار العالم. يمر نهر النيل عبر السودان ومصر حيث تعتمد الزراعة على مياه نهر النيل منذ آلاف السنين."
    (found,) = spacy.extract_batch([text], Schema())
    assert any("النيل" in mention.name for mention in found.mentions)
    assert {mention.type for mention in found.mentions} == {"CONCEPT"}


def test_a_wall_of_capitals_ends_soon(spacy: SpacyExtractor) -> None:
    started = time.process_time()
    spanish = "El ferrocarril de Madrid a Aranjuez fue la segunda línea de la península. " * 30
    for text in ("De " * 20_000, "A-" * 20_000, "de la " * 10_000 + "X", "A.B." * 10_000):
        (found,) = spacy.extract_batch([spanish + text], Schema())
        assert "Aranjuez" in {mention.name for mention in found.mentions}
    assert time.process_time() - started < 10


def test_a_model_for_a_language_is_a_setting(tmp_path: Path) -> None:
    model = library.blank("fr")
    model.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "Mirelle Fabre"}])
    model.to_disk(tmp_path / "fr")
    spacy = SpacyExtractor({"fr": str(tmp_path / "fr")})
    found = {mention.name: mention.type for mention in spacy.extract_batch([FRENCH], Schema())[0].mentions}
    assert found["Mirelle Fabre"] == "PERSON"
    assert found["Tourcoing"] == "LOCATION"
    assert spacy.fingerprint(Schema()) != SpacyExtractor().fingerprint(Schema())


def test_a_model_that_parses_a_language_without_noun_phrases_gives_names(tmp_path: Path) -> None:
    """spaCy has no noun phrases of Polish, and raises where they are asked for."""
    model = library.blank("pl")
    parser = model.add_pipe("parser")
    parser.add_label("dep")  # type: ignore[attr-defined]
    model.initialize()
    model.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "Mirela Fabiańska"}])  # type: ignore[attr-defined]
    model.to_disk(tmp_path / "pl")
    text = "Spółka Norlune produkuje lampy w Krakowie. Od dziesięciu lat kieruje nią Mirela Fabiańska, która mieszka w Warszawie."
    (found,) = SpacyExtractor({"pl": str(tmp_path / "pl")}).extract_batch([text], Schema())
    assert "Mirela Fabiańska" in {mention.name for mention in found.mentions}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("服务器将节点存储在单独的文件中。", "Chinese"),
        ("サーバーはノードを別々のファイルに保存します。", "Japanese"),
    ],
)
def test_a_text_in_a_language_that_cannot_be_read_is_skipped_and_says_so(spacy: SpacyExtractor, text: str, language: str) -> None:
    found = spacy.extract_batch([text], Schema())[0]
    assert found.skipped == f"The text is in {language}, and the spaCy extractor has a model for English only."
    assert found.mentions == ()


@pytest.mark.parametrize(
    "text",
    [
        "Mesh options",
        'int main(void) { printf("hello"); return 0; } for (i = 0; i < n; i++) a[i] += b[i];',
        "Name | Type | Default\nwindow_pages | int | 16\nparallel_documents | int | 2\nvram_budget_mb | int | 5500",
        "Neo4j PostgreSQL Dagster Docling Qdrant ArcadeDB LiteLLM Ollama vLLM",
        "Delaunay triangulation, Voronoi diagram, finite element mesh generator, B-rep CAD kernel OpenCASCADE",
        "12.5 33.1 44.0 kg 55 m 66 s 1e-5 Pa 3.3 GHz 44 MB 12 KB",
        "The word Weltanschauung is German, and Schadenfreude, Zeitgeist and Doppelgänger are from the same language.",
        "",
    ],
)
def test_tables_code_and_short_texts_are_not_taken_for_a_foreign_language(spacy: SpacyExtractor, text: str) -> None:
    assert spacy.extract_batch([text], Schema())[0].skipped is None
