"""What migration 0013 does with the rows that are there."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client

from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.test_resolving import collection, entity, mentioning, merge, save
from webadmin.documents.models import EntityBlock, Merge

migration = import_module("webadmin.documents.migrations.0013_blocks")


def test_names_get_the_keys_that_extraction_gives_them_and_merges_a_key_of_both(
    admin: Client, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    mentioning(ledger, "Acme Corp", "Acme Corporation", "Initech Rome 2", "Globex Rome 2", "Umbrella")
    save(ledger, merge("Acme Corp", "Acme Corporation"), merge("Initech Rome 2", "Globex Rome 2"))
    left, right = sorted([entity("Umbrella"), entity("Acme Corp")])
    Merge.objects.create(collection_id=collection(), left_id=left, right_id=right, reason="person")

    def keys() -> set[tuple[UUID, str]]:
        return set(EntityBlock.objects.values_list("entity_id", "key"))

    before, blocks_before = keys(), dict(Merge.objects.values_list("id", "block"))
    assert sorted(blocks_before.values()) == ["", "=:acme", "t:rome|2"]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM aegis_entity_block")
        cursor.execute("UPDATE aegis_merge SET block = ''")
        monkeypatch.setattr(migration, "BATCH", 2)
        migration.fill(None, SimpleNamespace(connection=connection))
        cursor.execute(migration.BLOCK_OF_MERGE)
    assert keys() == before
    assert dict(Merge.objects.values_list("id", "block")) == blocks_before
