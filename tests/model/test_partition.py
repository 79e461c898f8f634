"""Names -> partition keys that a person recognises and Dagster takes, and back to the document."""

from __future__ import annotations

import random
import unicodedata
from uuid import UUID

import pytest
from dagster._core.definitions.partitions.utils.base import INVALID_PARTITION_SUBSTRINGS

from aegis_assets.model.partition import MOST, partition_key, partition_start

DOCUMENT = UUID("1a2b3c4d-0000-5000-8000-000000000001")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("report.pdf", "research/report.pdf"),
        ("2024/März/Bericht.pdf", "research/2024/März/Bericht.pdf"),
        ("a...b", "research/a%2E%2E%2Eb"),
        ("a..b", "research/a..b"),
        ('a,b "c" [d]*', "research/a%2Cb %22c%22 %5Bd%5D%2A"),
        ("line\nbreak\x00", "research/line%0Abreak%00"),
        ("gnp.fdp\u202e", "research/gnp.fdp%E2%80%AE"),
    ],
)
def test_a_key_shows_collection_and_name(name: str, shown: str) -> None:
    assert partition_key("research", name, DOCUMENT) == f"{shown}#1a2b3c4d"


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    key = partition_key("research", f"{'long ' * 60}end.pdf", DOCUMENT)
    assert len(key) <= MOST
    assert key.startswith("research/long ")
    assert key.endswith("end.pdf#1a2b3c4d")
    assert "~" in key


@pytest.mark.parametrize("seed", range(50))
def test_any_names_make_a_key_that_dagster_takes(seed: int) -> None:
    drawn = random.Random(seed)
    signs = [chr(drawn.randrange(highest)) for highest in (0x80, 0x3000, 0x110000) for _ in range(60)]
    drawn.shuffle(signs)
    name = "".join(signs[: drawn.randrange(180)]) + "." * drawn.randrange(5)
    key = partition_key("any/collection...", name, DOCUMENT)
    assert len(key) <= MOST
    assert not any(part in key for part in INVALID_PARTITION_SUBSTRINGS)
    assert not any(unicodedata.category(sign).startswith("C") for sign in key)
    assert partition_start(key) == "1a2b3c4d"


def test_the_key_of_an_older_release_is_the_id() -> None:
    assert partition_start(str(DOCUMENT)) == DOCUMENT
    assert partition_start("something else") is None
