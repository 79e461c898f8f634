"""The list of documents, with ten thousand of them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from aegis_assets.model.ids import collection_id
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.webadmin.console.ledger_rows import made, mention, relation
from tests.webadmin.test_admin import LIST, give_chunks, url
from tests.webadmin.uploads import put
from webadmin.console.models import AuditEntry
from webadmin.documents import queries
from webadmin.documents.models import Chunk, Collection, Document, Entity, Mention, Relation, RunDocument

MANY = 10_000


# Statements over a set: through the ORM the same rows take a minute. Each costs what its rows cost.
DOCUMENTS = """
INSERT INTO aegis_document (id, collection_id, name, source, source_key, state, fraction, format, run_id, created_at)
SELECT gen_random_uuid(), %(collection)s, 'report ' || n || '.pdf', 'upload', n, 'succeeded', 1,
  CASE n %% 2 WHEN 0 THEN 'pdf' ELSE 'md' END, 'run ' || n, now() - n * interval '1 minute'
FROM generate_series(0, %(many)s - 1) n"""
GENERATIONS = """
INSERT INTO aegis_generation (document_id, number, sha256, blob, state, pages)
SELECT id, 1, repeat('0', 64), 'b', 'live', 9 FROM aegis_document WHERE collection_id = %(collection)s"""
LIVE = """
UPDATE aegis_document d SET live_id = g.id FROM aegis_generation g
WHERE g.document_id = d.id AND d.collection_id = %(collection)s"""
RUNS = """
INSERT INTO aegis_run_document (run_id, document_id, started_at, finished_at)
SELECT run_id, id, now() - interval '75 seconds', now() FROM aegis_document WHERE collection_id = %(collection)s"""
CHUNKS = """
INSERT INTO aegis_chunk (id, document_id, text_hash, repeat, text, tokens)
SELECT gen_random_uuid(), id, repeat('0', 64), 0, 'x', 1 FROM aegis_document WHERE collection_id = %(collection)s
ORDER BY created_at DESC LIMIT 60"""
MENTIONS = """
INSERT INTO aegis_mention (chunk_id, document_id, entity_id, name, start, "end")
SELECT c.id, c.document_id, %(entity)s, 'x', n, n + 1
FROM aegis_chunk c JOIN aegis_document d ON d.id = c.document_id, generate_series(0, 39) n WHERE d.collection_id = %(collection)s"""
STATISTICS = "ANALYZE aegis_document, aegis_mention, aegis_run_document, aegis_generation"


def many() -> None:
    """Documents as a year of work leaves them: each with a run, the newest with chunks and entities."""
    collection = Collection.objects.create(id=collection_id("many"), name="many")
    entity = Entity.objects.create(id=uuid4(), collection=collection, canonical_id=uuid4(), type="tool", name="x", normalised="x")
    values = {"collection": collection.pk, "entity": entity.pk, "many": MANY}
    with connection.cursor() as cursor:
        for statement in (DOCUMENTS, GENERATIONS, LIVE, RUNS, CHUNKS, MENTIONS):
            cursor.execute(statement, values)
        cursor.execute(STATISTICS)


def counted(client: Client, *documents: UUID) -> dict[str, int]:
    """As the list asks for them when it is there."""
    found: dict[str, int] = client.get(reverse("console:entities"), {"id": documents}).json()["entities"]
    return found


def asked(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_ten_thousand_documents_take_the_queries_of_ten(admin: Client, ledger: Ledger) -> None:
    for number in range(10):
        give_chunks(put(f"{number}.md"), 1)
    few = asked(admin, LIST)
    many()
    assert asked(admin, LIST) == few
    for address in (f"{LIST}?q=report", f"{LIST}?state__exact=succeeded", f"{LIST}?o=-2"):
        assert asked(admin, address) <= few + 2


def test_each_row_says_entities_time_and_engines(admin: Client, ledger: Ledger) -> None:
    document = put("a.md")
    give_chunks(document, 2)
    chunk = Chunk.objects.earliest("id")
    scope = Document.objects.get().collection_id
    for number in (1, 2):
        entity = Entity.objects.create(
            id=uuid4(), collection_id=scope, canonical_id=uuid4(), type="tool", name=f"n{number}", normalised=f"n{number}"
        )
        for start in (0, 5):
            Mention.objects.create(chunk=chunk, document_id=document, entity=entity, name="n", start=start, end=start + 1)
    RunDocument.objects.create(
        run_id="r", document_id=document, started_at=timezone.now() - timedelta(seconds=75), finished_at=timezone.now()
    )
    Document.objects.filter(pk=document).update(parser="docling 2", extractor="spaCy 3")
    page = admin.get(LIST).content.decode()
    for said in ("1 min 15 s", "<bdi>docling 2</bdi><br><bdi>spaCy 3</bdi>"):
        assert said in page
    assert counted(admin, document) == {str(document): 2}


def test_every_place_counts_the_same_entities_and_relations(admin: Client, ledger: Ledger) -> None:
    """Where rows and what the graph holds of them differ: repeated statements, an alias, a name that relates to itself, and a chunk
    that no generation shows any more."""
    one = made([2])
    first, second = one.chunks
    ada, _lovelace = (mention(first, name, 0, 3).entity for name in ("Ada", "Ada Lovelace"))
    for chunk in one.chunks:
        mention(chunk, "Notes", 10, 15)
        relation(chunk, "Ada", "Notes", 0, 15)
    for source, target in (("Ada Lovelace", "Notes"), ("Ada", "Ada Lovelace")):
        relation(second, source, target, 0, 15)
    Entity.objects.filter(name="Ada Lovelace").update(canonical=ada)
    old = Chunk.objects.create(id=uuid4(), document_id=one.document, text_hash="f" * 64, repeat=0, text="Old.", tokens=1)
    mention(old.pk, "Charles", 0, 3)
    relation(old.pk, "Charles", "Ada", 0, 3)
    assert (Mention.objects.count(), Relation.objects.count()) == (5, 5)

    materialized = ledger.graph_facts().counts([one.generation])[one.generation]
    assert materialized == (2, 1)
    result, counts = ledger.result(one.document), ledger.counts(one.document)
    assert (result["entities"], result["relations"]) == (counts.entities, counts.relations) == materialized
    told = admin.get(reverse("console:document", args=[one.document])).json()["result"]
    assert (told["entities"], told["relations"]) == materialized
    assert counted(admin, one.document) == {str(one.document): 2}
    page = admin.get(url(one.document)).content.decode()
    assert "<dt>Entities</dt><dd>2</dd>" in page
    assert "<dt>Relations</dt><dd>1</dd>" in page


def test_all_that_match_the_filter_are_retried_and_not_only_those_of_the_page(admin: Client, ledger: Ledger) -> None:
    collection, failed = Collection.objects.create(id=collection_id("many"), name="many"), 1500
    rows = [
        Document(id=uuid4(), collection=collection, name=f"{state} {n}", source="upload", source_key=f"{state} {n}", state=state)
        for state, number in (("failed", failed), ("partial", 10), ("succeeded", 10))
        for n in range(number)
    ]
    Document.objects.bulk_create(rows)
    shown = rows[0].pk
    chosen = {"action": "retry", "index": "0", "_selected_action": [str(shown)], "select_across": "1"}
    assert f"Select all {failed}" in admin.get(f"{LIST}?q=failed&state__exact=failed").content.decode()
    with CaptureQueriesContext(connection) as captured:
        page = admin.post(f"{LIST}?q=failed&state__exact=failed", chosen, follow=True).content.decode()
    assert f"{failed} documents to be tried again." in page
    assert len(captured) < 60, "a bounded number of documents in each statement"
    assert Document.objects.filter(state="pending").count() == failed
    assert Document.objects.filter(state="partial").count() == 10
    assert AuditEntry.objects.filter(action="document.retry").count() == failed
    again = admin.post(f"{LIST}?state__exact=succeeded", {**chosen, "_selected_action": [str(uuid4())]}, follow=True)
    assert "None of these documents failed, is partial or was cancelled." in again.content.decode()


def test_removal_is_confirmed_with_what_goes(admin: Client, ledger: Ledger, dagster: DagsterDouble) -> None:
    one, two = put("a.md"), put("b.md")
    give_chunks(one, 3)
    chunk = Chunk.objects.earliest("id")
    scope = Document.objects.get(pk=one).collection_id
    alone, shared = (
        Entity.objects.create(id=uuid4(), collection_id=scope, canonical_id=uuid4(), type="t", name=name, normalised=name)
        for name in ("alone", "shared")
    )
    other = Chunk.objects.create(id=uuid4(), document_id=two, text_hash="1" * 64, repeat=0, text="x", tokens=1)
    for holder, entity in ((chunk, alone), (chunk, shared), (other, shared)):
        Mention.objects.create(chunk=holder, document_id=holder.document_id, entity=entity, name="n", start=0, end=1)
    Relation.objects.create(chunk=chunk, document_id=one, source=alone, target=shared, type="t", confidence=1, start=0, end=1)
    weight = queries.weight([one])
    assert (weight.chunks, weight.entities, weight.relations, weight.bytes) == (3, 1, 1, 4)
    assert queries.weight([one, two]).entities == 2
    page = admin.post(url(one, "remove")).content.decode()
    assert "entities that no other document names" in page
    assert Document.objects.get(pk=one).state == "pending"


@pytest.mark.parametrize("word", ["<script>alert(1)</script>", "‮gpj.exe", "🚀🚀", "a" * 255])
def test_any_name_is_shown_as_text(admin: Client, ledger: Ledger, word: str) -> None:
    document = put("a.md")
    Document.objects.filter(pk=document).update(name=word, message=word, parser=word[:128])
    for address in (LIST, url(document), url(document, "history"), "/admin/"):
        page = admin.get(address).content.decode()
        assert "<script>alert" not in page
        assert word.replace("<", "&lt;").replace(">", "&gt;") in page or address == "/admin/"
