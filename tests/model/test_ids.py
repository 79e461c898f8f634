"""Ids are the same everywhere, and names that differ are kept apart."""

from __future__ import annotations

import pytest

from aegis_assets.model import ids


def test_ids_do_not_change_between_releases() -> None:
    """Each stored chunk, vector and node is found again by these; a change here orphans them all."""
    collection = ids.collection_id("default")
    document = ids.document_id(collection, "upload", "report.pdf")
    assert str(collection) == "ca4a0719-9e10-5d44-9dd7-e48b274bdd31"
    assert str(document) == "118ff23e-eb34-5df5-b218-d1400c170822"
    assert str(ids.chunk_id(document, ids.text_hash("text"), 0)) == "e85f7bde-6fa9-503f-ac71-bb4af75308b2"
    assert str(ids.entity_id(collection, "Ada Lovelace")) == "fb3f712d-55e8-52d9-96f3-669581b4a6fe"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("C++", "c++"),
        ("C#", "c#"),
        ("C", "c"),
        (".NET", ".net"),
        ("GPT-3.5", "gpt 3 5"),
        ("a+b", "a b"),
        ("U.S.A.", "u s a"),
        ("#tag", "tag"),
        ("  Ada\u00a0 LOVELACE ", "ada lovelace"),
        ("Stra\u00dfe", "strasse"),
        ("...", ""),
    ],
)
def test_names_are_normalised(name: str, expected: str) -> None:
    assert ids.normalised(name) == expected


def test_the_same_text_in_two_unicode_forms_has_one_hash() -> None:
    assert ids.text_hash("Z\u00fcrich") == ids.text_hash("Zu\u0308rich")
    assert ids.text_hash("a\ud800b"), "a lone surrogate from a broken PDF is no reason to stop"


def test_a_fingerprint_sees_names_and_types() -> None:
    assert ids.fingerprint(a=1, b=2) == ids.fingerprint(b=2, a=1)
    assert ids.fingerprint(a=1) != ids.fingerprint(a="1")
    assert ids.fingerprint(a=1) != ids.fingerprint(b=1)
