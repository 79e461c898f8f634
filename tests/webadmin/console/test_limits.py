"""The page of limits: what it offers is what acts, what it changes is announced and written down, and where a number comes from."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from aegis_assets.pipeline.flow.platform import ACTING as FOLLOWED
from aegis_assets.settings import settings
from aegis_assets.stores.leases import LIMITS, Leases, language_model_server
from aegis_assets.stores.ledger import Ledger
from tests.doubles.dagster_graphql import DagsterDouble
from tests.webadmin.conftest import browser
from tests.webadmin.uploads import put
from webadmin.console.limits.numbers import ACTING
from webadmin.console.limits.origins import bounds, origin
from webadmin.console.models import AuditEntry
from webadmin.documents.models import Answer, Concurrency, Lease, Limit

PAGE = "/admin/limits/"


def form(**changed: int | str) -> dict[str, Any]:
    """As the browser sends it: what was shown, and what the person made of it."""
    shown = {name: getattr(settings(), name) for name in (*(number.name for number in ACTING), "ollama_limit")}
    return {f"was_{name}": value for name, value in shown.items()} | shown | changed


def test_each_number_that_is_offered_is_read_while_documents_run() -> None:
    assert {number.name for number in ACTING} == {*LIMITS.values(), *FOLLOWED, "parallel_documents"}


def test_a_change_is_announced_kept_and_written_down_and_can_be_taken_back(admin: Client, ledger_url: str) -> None:
    with psycopg.connect(ledger_url, autocommit=True) as listener:
        listener.execute("LISTEN aegis_limit")

        def heard() -> bool:
            return any(True for _ in listener.notifies(timeout=5, stop_after=1))

        assert admin.post(PAGE, form(ollama_max_concurrent=3)).status_code == 302
        assert heard()
        assert [(row.name, row.value) for row in Limit.objects.all()] == [("ollama_max_concurrent", 3)]
        assert "set here" in admin.get(PAGE).content.decode()
        assert admin.post(f"{PAGE}reset", {"name": "ollama_max_concurrent"}).status_code == 302
        assert heard()
    assert not Limit.objects.exists()
    trail = [(entry.action, entry.target, entry.details) for entry in AuditEntry.objects.order_by("id")]
    assert trail[-2:] == [
        ("limit.add", "ollama_max_concurrent", {"before": None, "after": 3}),
        ("limit.delete", "ollama_max_concurrent", {"before": 3}),
    ]


def test_whether_the_limit_is_found_out_can_be_chosen_and_taken_back(admin: Client, ledger_url: str) -> None:
    page = admin.get(PAGE).content.decode()
    assert re.search('name="ollama_limit" value="auto"[^>]* checked', page)
    assert admin.post(PAGE, form(ollama_limit="fixed")).status_code == 302
    assert [(row.name, row.value) for row in Limit.objects.all()] == [("ollama_limit", 0)]
    assert not Leases.from_settings(settings()).found_limit("ollama").auto
    page = admin.get(PAGE).content.decode()
    assert "The settings say: Found out" in page
    assert admin.post(PAGE, form(was_ollama_limit="fixed", ollama_limit="fixed", parallel_documents=4)).status_code == 302
    assert admin.post(f"{PAGE}reset", {"name": "ollama_limit"}).status_code == 302
    assert [row.name for row in Limit.objects.all()] == ["parallel_documents"]
    assert admin.post(PAGE, form(ollama_limit="luck")).status_code == 400
    changes = [(entry.action, entry.details) for entry in AuditEntry.objects.filter(target="ollama_limit").order_by("id")]
    assert changes == [("limit.add", {"before": None, "after": 0}), ("limit.delete", {"before": 0})]


def test_the_limit_found_out_is_shown_with_its_ceiling_and_what_was_answered(
    admin: Client, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AEGIS_OLLAMA_URL", "http://127.0.0.1:11434")
    settings.cache_clear()
    server = language_model_server(settings())
    now = timezone.now()
    Concurrency.objects.create(resource="ollama", server=server, value=3, since=now, due=4)
    for seconds in (1, 20, 90):
        ended = now - timedelta(seconds=seconds)
        Answer.objects.create(resource="ollama", server=server, in_flight=1, granted_at=ended, ended_at=ended)
    part = " ".join(admin.get(f"{PAGE}use").content.decode().split())
    assert "of 3 in use" in part
    assert "Found out, at most 8." in part
    assert '<b>2</b> <span class="quiet">answered in the last minute' in part
    Limit.objects.create(name="ollama_limit", value=0)
    cache.clear()
    part = admin.get(f"{PAGE}use").content.decode()
    assert "of 8 in use" in part
    assert "Found out" not in part


def test_what_somebody_else_changed_meanwhile_stays(admin: Client) -> None:
    before = form(parallel_documents=4)
    Limit.objects.create(name="ollama_max_concurrent", value=5)
    assert admin.post(PAGE, before).status_code == 302
    assert dict(Limit.objects.values_list("name", "value")) == {"ollama_max_concurrent": 5, "parallel_documents": 4}


@pytest.mark.parametrize("value", ["0", "-1", "", "x", "100000000", "1e3"])
def test_a_number_outside_of_what_the_settings_take_is_refused(admin: Client, value: str) -> None:
    assert admin.post(PAGE, form(ollama_max_concurrent=value)).status_code == 400
    assert not Limit.objects.exists()


def test_a_budget_below_what_a_call_under_way_needs_is_refused(admin: Client) -> None:
    for session, weight in ((7, 2600), (8, 4000)):
        Lease.objects.create(id=uuid4(), resource="vram", weight=weight, owner=uuid4(), session=session)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(7)")  # the other's holder was killed
    answer = admin.post(PAGE, form(vram_budget_mb=2000))
    assert answer.status_code == 400
    assert "needs 2600" in answer.content.decode()
    assert admin.post(PAGE, form(vram_budget_mb=2600)).status_code == 302


@pytest.mark.parametrize(("group", "status"), [("viewer", 403), ("operator", 403), ("admin", 302)])
def test_only_who_may_change_limits_can(site: Path, group: str, status: int) -> None:
    client = browser(group=group)
    page = client.get(PAGE).content.decode()
    assert ('name="vram_budget_mb"' in page) == (status == 302)
    assert client.post(PAGE, form(parallel_documents=3)).status_code == status
    assert client.post(f"{PAGE}reset", {"name": "parallel_documents"}).status_code == status
    assert client.get(f"{PAGE}reset").status_code == 405


def test_an_unknown_limit_cannot_be_reset(admin: Client) -> None:
    assert admin.post(f"{PAGE}reset", {"name": "no_such_limit"}).status_code == 404


def test_living_leases_are_shown_with_their_document_and_dead_ones_are_not(admin: Client, ledger: Ledger) -> None:
    document = put("a.md")
    for session, holder in ((7, "here:1"), (8, "gone:2")):
        Lease.objects.create(id=uuid4(), resource="ollama", weight=1, owner=document, session=session, held=True, holder=holder)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(7)")
    part = admin.get(f"{PAGE}use").content.decode()
    assert "here:1" in part
    assert "gone:2" not in part
    assert str(document) in part


def test_the_page_takes_the_same_number_of_queries_however_many_wait(admin: Client, ledger: Ledger) -> None:
    from django.core.cache import cache

    def queries() -> int:
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            assert admin.get(PAGE).status_code == 200
        return len(captured)

    def wait(name: str) -> None:
        Lease.objects.create(id=uuid4(), resource="ollama", weight=1, owner=put(name), session=7, held=True)

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(7)")
    wait("one.md")
    few = queries()
    for number in range(6):
        wait(f"{number}.md")
    assert queries() == few


def test_dagster_s_queue_and_pools_are_shown_or_why_not(admin: Client, dagster: DagsterDouble) -> None:
    dagster.start_run("QUEUED")
    part = admin.get(f"{PAGE}dagster").content.decode()
    assert "docling" in part
    assert "waits in the queue" in part
    from django.core.cache import cache

    cache.clear()
    dagster.close()
    assert "not reachable" in admin.get(f"{PAGE}dagster").content.decode()


def test_where_a_number_comes_from_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.cache_clear()
    assert origin("ollama_max_concurrent") == ("file", "parallelization.yml")
    monkeypatch.setenv("AEGIS_OLLAMA_MAX_CONCURRENT", "5")
    monkeypatch.setenv("AEGIS_PROFILE", "laptop")
    settings.cache_clear()
    assert origin("ollama_max_concurrent") == ("environment", "AEGIS_OLLAMA_MAX_CONCURRENT")
    assert origin("parallel_documents") == ("profile", "laptop")
    settings.cache_clear()
    assert bounds("ollama_max_concurrent") == (1, 1024)
