"""The dashboard says what is so, at a price that does not grow."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from aegis_assets.model.document import State
from aegis_assets.stores.ledger import Ledger
from tests.webadmin.conftest import browser
from tests.webadmin.test_admin import NASTY
from tests.webadmin.uploads import put
from webadmin.console.dashboard import queries, views
from webadmin.documents.models import Chunk, ChunkTask, Document, Failure, Lease, Limit, RunDocument
from webadmin.monitoring.doctor import Check

HOME = "/admin/"
WORK = "/admin/dashboard/work"
HEALTH = "/admin/dashboard/health"


def running(name: str, fraction: float, seconds: int) -> UUID:
    """A document in the hands of a run that began so long ago."""
    document = put(name)
    run = str(uuid4())
    Document.objects.filter(pk=document).update(state=State.QUEUED, run_id=run)
    Document.objects.filter(pk=document).update(state=State.RUNNING, fraction=fraction)
    RunDocument.objects.create(run_id=run, document_id=document, started_at=timezone.now() - timedelta(seconds=seconds))
    return document


def chunk_done(document: UUID, number: int, ago: timedelta) -> None:
    chunk = Chunk.objects.create(id=uuid4(), document_id=document, text_hash=f"{number:064}", repeat=0, text="x", tokens=1)
    for stage in ("embed", "extract"):
        ChunkTask.objects.create(chunk=chunk, document_id=document, stage=stage, state="done", finished_at=timezone.now() - ago)


def test_documents_at_work_are_shown_with_what_is_left(admin: Client, ledger: Ledger) -> None:
    running("half.md", 0.5, 90)
    running("new.md", 0.0, 5)
    put("waits.md")
    found = {one.name: one for one in queries.read().running}
    assert found["half.md"].left is not None
    assert 85 <= found["half.md"].left <= 120
    assert found["new.md"].left is None
    page = admin.get(HOME).content.decode()
    assert "1 min 3" in page
    assert "1 document waits" in page


def test_chunks_are_counted_by_the_minute_in_which_they_were_done(ledger: Ledger) -> None:
    document = put("a.md")
    for number in range(12):
        chunk_done(document, number, timedelta(minutes=1))
    chunk_done(document, 12, timedelta(minutes=30))
    chunk_done(document, 13, timedelta(hours=3))
    work = queries.read()
    assert (len(work.minutes), work.chunks) == (60, 13)
    assert {minute.chunks: minute.height for minute in work.minutes} == {0: 0, 1: 9, 12: 100}
    assert work.rate == pytest.approx(0.1, abs=0.05)
    assert work.best == pytest.approx(12 / 60)


def test_leases_are_shown_against_the_limit_that_is_in_force(ledger: Ledger) -> None:
    owner = put("a.md")
    for held in (True, True, False):
        Lease.objects.create(id=uuid4(), resource="ollama", weight=1, owner=owner, session=1, held=held)
    Lease.objects.create(id=uuid4(), resource="vram", weight=900, owner=owner, session=1, held=True)
    Lease.objects.create(id=uuid4(), resource="vram", weight=800, owner=owner, session=2, held=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(1)")  # the other's holder was killed
    Limit.objects.create(name="ollama_max_concurrent", value=3)
    uses = {use.resource: use for use in queries.read().uses}
    assert (uses["ollama"].held, uses["ollama"].capacity, uses["ollama"].waiting) == (2, 3, 1)
    assert (uses["vram"].held, uses["vram"].capacity) == (900, 5500)


def test_failures_are_grouped_by_kind_and_resolved_ones_are_not_counted(admin: Client, ledger: Ledger) -> None:
    one, two = put("a.md"), put("b.md")
    for document, message in ((one, "first"), (two, NASTY)):
        Failure.objects.create(document_id=document, stage="extract", kind="time-out", retryable=True, message=message)
    Failure.objects.create(document_id=one, stage="parse", kind="memory", retryable=True, message="gone", resolved=True)
    (failure,) = queries.read().failures
    assert (failure.kind, failure.count, failure.documents, failure.message, failure.document) == ("time-out", 2, 2, NASTY, two)
    page = admin.get(HOME).content.decode()
    assert "2 failures" in page
    assert "<img src=x" not in page


def test_it_takes_the_same_number_of_queries_whatever_there_is(ledger: Ledger) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            queries.read()
        return len(captured)

    few = count()
    for number in range(15):
        document = running(f"{number}.md", 0.3, 10)
        chunk_done(document, number, timedelta(minutes=number))
        Failure.objects.create(document_id=document, stage="parse", kind=f"kind {number}", retryable=True, message="No.")
    many = count()
    assert many <= few + 1, "the newest failures are fetched where there are any"
    assert len(queries.read().running) == queries.RUNNING_SHOWN


def test_those_who_look_at_the_same_time_share_one_reading(admin: Client, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    read = queries.read
    readings = []
    monkeypatch.setattr(queries, "read", lambda: readings.append(1) or read())
    other = browser(group="viewer")
    for _ in range(5):
        assert admin.get(WORK).status_code == other.get(WORK).status_code == 200
    assert len(readings) <= 2


def test_health_names_what_is_away_and_what_to_do_and_never_holds_up_the_page(
    admin: Client, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow() -> list[Check]:
        time.sleep(0.2)
        return [
            Check(part="graph", used="ArcadeDB", ok=False, sentence="The graph server is away: <start it>."),
            Check(part="ledger", used="PostgreSQL", ok=True, sentence=""),
        ]

    asked = []
    monkeypatch.setattr(views, "diagnose", lambda: asked.append(1) or slow())
    assert HEALTH in admin.get(HOME).content.decode()
    assert asked == []
    page = admin.get(HEALTH).content.decode()
    assert "The graph server is away: &lt;start it&gt;." in page
    assert "PostgreSQL" in page
    admin.get(HEALTH)
    assert len(asked) == 1


def test_without_a_role_there_is_nothing_to_see_and_that_is_said(ledger: Ledger) -> None:
    put("secret.md")
    nobody = browser()
    page = nobody.get(HOME).content.decode()
    assert "see nothing yet" in page
    assert "pending" not in page
    assert nobody.get(WORK).status_code == nobody.get(HEALTH).status_code == 403
