"""What migration 0012 does with the rows that are there."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import extraction
from tests.stores.ledger.test_evidence import MET, dirty, live, prepared
from webadmin.documents.models import GraphEntity, GraphRelation, Outbox

migration = import_module("webadmin.documents.migrations.0012_graph_rows")


def kept() -> list[Any]:
    return [sorted(model.objects.values_list()) for model in (GraphEntity, GraphRelation)]


def test_what_is_live_is_counted_as_publishing_counts_it_and_all_of_it_is_marked(
    admin: Client, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(ledger, MET)
    live(ledger, MET, "b.md", "run-2", texts=3)
    live(ledger, extraction("Alan", "Ada", relation="met"), "c.md", "run-3")
    prepared(ledger, extraction("Nobody", "Grace", relation="met"), "d.md", "run-4")
    before = kept()
    assert (len(before[0]), len(before[1])) == (3, 2)
    for model in (GraphEntity, GraphRelation, Outbox):
        model.objects.all().delete()

    monkeypatch.setattr(migration, "ROWS", 1)
    migration.fill(None, SimpleNamespace(connection=connection))

    assert kept() == before
    assert dirty(ledger) == {"content": 3, "document": 3, "chunk": 7, "entity": 3, "relation": 2}
    assert set(Outbox.objects.filter(kind="relation").values_list("key", "source_id", "type", "target_id")) == set(
        GraphRelation.objects.values_list("id", "source_id", "type", "target_id")
    )
