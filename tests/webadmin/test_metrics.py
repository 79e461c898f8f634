"""/metrics as Prometheus reads it."""

from __future__ import annotations

import io
import re
import shutil
import subprocess

import psycopg
import pytest
from django.core.cache import cache
from django.test import Client

from aegis_assets.errors import EngineFailed
from aegis_assets.model.document import Stage, State
from aegis_assets.settings import settings
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import EMBED, RUN, dead, done, enriched, ingested, planned, publish, running
from tests.webadmin.conftest import browser
from tests.webadmin.console.test_api import script
from webadmin.documents import services
from webadmin.monitoring.metrics import COUNTERS, GAUGES

PROMTOOL = shutil.which("promtool")
DOCUMENTS = 2_000
LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")


def scraped(client: Client) -> dict[tuple[str, str], float]:
    """By name and labels."""
    cache.clear()
    answer = client.get("/metrics")
    assert answer.status_code == 200
    lines = [line for line in answer.content.decode().splitlines() if not line.startswith("#")]
    found = [LINE.match(line) for line in lines]
    assert all(found), lines
    return {(one[1], one[2] or ""): float(one[3]) for one in found if one}


@pytest.fixture
def prometheus(ledger: Ledger) -> Client:
    return script("viewer")


def test_every_promised_name_is_there_before_anything_has_happened(prometheus: Client) -> None:
    names = {name for name, _ in scraped(prometheus)}
    assert names >= {
        "aegis_pipeline_parallel_workers_active",
        "aegis_pipeline_chunk_processing_rate",
        "aegis_pipeline_vram_utilization_percent",
        "aegis_ollama_concurrent_requests",
        "aegis_ollama_concurrent_requests_limit",
        "aegis_pipeline_chunks_total",
        "aegis_pipeline_retries_total",
    }


@pytest.mark.skipif(PROMTOOL is None, reason="promtool comes with Debian's package prometheus")
def test_prometheus_own_linter_finds_nothing_to_say(prometheus: Client, ledger: Ledger) -> None:
    ingested(ledger, [["a", "b"]])
    cache.clear()
    text = prometheus.get("/metrics").content
    done = subprocess.run([PROMTOOL or "", "check", "metrics"], input=text, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_work_is_counted_while_it_runs_when_it_has_ended_and_when_the_document_is_gone(
    prometheus: Client, ledger: Ledger, ledger_url: str
) -> None:
    document = running(ledger)
    generation = planned(ledger, document, "k1")
    (window,) = ledger.windows(generation.id)
    chunks = enriched(ledger, window.id, ["a", "b", "c"])
    done(ledger, document, chunks[:2])
    ledger.start_chunks(chunks[2:], Stage.EXTRACT, RUN)
    ledger.fail(document, RUN, Stage.EXTRACT, EngineFailed("junk"), chunk=chunks[2])
    ledger.start_chunks(chunks[2:], Stage.EXTRACT, RUN)

    def counters() -> dict[tuple[str, str], float]:
        return {key: value for key, value in scraped(prometheus).items() if key[0].endswith("_total")}

    now = scraped(prometheus)
    assert now["aegis_pipeline_parallel_workers_active", 'stage="extract"'] == 1
    assert now["aegis_pipeline_parallel_workers_active", 'stage="parse"'] == 0
    assert now["aegis_pipeline_chunk_processing_rate", 'stage="extract"'] == pytest.approx(2 / 60, abs=1e-5)
    assert now["aegis_pipeline_documents", 'state="running"'] == 1
    before = counters()
    assert before["aegis_pipeline_chunks_total", 'stage="extract"'] == 2
    assert before["aegis_pipeline_windows_total", ""] == 1
    assert before["aegis_pipeline_tokens_total", 'kind="prompt"'] == 14
    assert before["aegis_pipeline_failures_total", 'stage="extract",kind="engine_failed"'] == 1
    publish(ledger, document, generation.id)
    ledger.finish(document, RUN, State.PARTIAL, "")
    assert counters() == before
    ledger.begin(document, RUN, dead)
    assert counters() == before, "a run that takes the document up again"
    with psycopg.connect(ledger_url, autocommit=True) as database:
        for table in ("aegis_failure", "aegis_run_document"):
            database.execute(f"DELETE FROM {table}")
    assert counters() == before


def test_a_counter_goes_on_where_it_was_after_a_retry(prometheus: Client, ledger: Ledger) -> None:
    document = ingested(ledger, [["a"], ["b"]])
    key = ("aegis_pipeline_chunks_total", 'stage="extract"')
    assert scraped(prometheus)[key] == 2
    ledger.request_retry(document)
    ledger.begin(document, "run-2", dead)
    live = ledger.document(document).live
    assert live is not None
    ledger.missing_windows(live, "run-2", "parse-1", EMBED, "extract-2")
    assert scraped(prometheus)[key] == 2


def test_leases_are_counted_of_what_there_is_to_lease(prometheus: Client, ledger_url: str) -> None:
    document = services.upload(io.BytesIO(b"1"), "a.md", "default").document
    with psycopg.connect(ledger_url, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(77)")
        for resource, weight, held in (("ollama", 1, True), ("ollama", 1, True), ("ollama", 1, False), ("vram", 1100, True)):
            holder.execute(
                "INSERT INTO aegis_lease (id, resource, weight, owner, session, held)"
                " VALUES (gen_random_uuid(), %s, %s, %s, 77, %s)",
                (resource, weight, document, held),
            )
        holder.execute(
            "INSERT INTO aegis_lease (id, resource, weight, owner, session, held)"
            " VALUES (gen_random_uuid(), 'ollama', 1, %s, 78, true)",
            (document,),
        )
        holder.execute("INSERT INTO aegis_limit (name, value) VALUES ('vram_budget_mb', 2200)")
        now = scraped(prometheus)
    assert now["aegis_ollama_concurrent_requests", ""] == 2, "a dead holder's lease is none"
    assert now["aegis_ollama_waiting_requests", ""] == 1
    assert now["aegis_ollama_concurrent_requests_limit", ""] == settings().ollama_max_concurrent, "no server, nothing to find out"
    assert now["aegis_ollama_answered_requests_per_minute", ""] == 0
    assert now["aegis_ollama_max_concurrent_requests", ""] == settings().ollama_max_concurrent
    assert now["aegis_pipeline_vram_utilization_percent", ""] == 50


def test_no_label_grows_with_the_documents(prometheus: Client, ledger: Ledger, ledger_url: str) -> None:
    first = services.upload(io.BytesIO(b"1"), "a.md", "default").document
    few = set(scraped(prometheus))
    with psycopg.connect(ledger_url, autocommit=True) as database:
        database.execute(MANY_DOCUMENTS, (DOCUMENTS, first))
        database.execute(MANY_CHUNKS)
        database.execute(MANY_TASKS)
        database.execute(MANY_RUNS)
        database.execute("ANALYZE")
    many = scraped(prometheus)
    assert many["aegis_pipeline_documents", 'state="succeeded"'] == DOCUMENTS
    assert many["aegis_pipeline_chunks_total", 'stage="extract"'] == 3 * DOCUMENTS
    assert {name for name, _ in many} == {name for name, _ in few}
    assert len(many) <= len(few) + 10
    assert not any(str(first) in labels for _, labels in many)


MANY_DOCUMENTS = """
INSERT INTO aegis_document (id, collection_id, name, source, source_key, state, created_at)
SELECT gen_random_uuid(), d.collection_id, 'n' || n, 'upload', 'n' || n, 'succeeded', now() - interval '1 day'
FROM aegis_document d, generate_series(1, %s) n WHERE d.id = %s"""
MANY_CHUNKS = """
INSERT INTO aegis_chunk (id, document_id, text_hash, repeat, text, tokens)
SELECT gen_random_uuid(), d.id, n::text, 0, 'x', 1 FROM (SELECT id FROM aegis_document LIMIT 500) d, generate_series(1, 10) n"""
MANY_TASKS = """
INSERT INTO aegis_chunk_task (chunk_id, document_id, stage, state, finished_at)
SELECT id, document_id, stage, 'done', now() - interval '1 hour' FROM aegis_chunk, unnest(ARRAY['embed', 'extract']) stage"""
MANY_RUNS = """
INSERT INTO aegis_run_document (run_id, document_id, started_at, finished_at, extracted_chunks)
SELECT 'r', id, now() - interval '1 hour', now() - interval '50 minutes', 3 FROM aegis_document WHERE state = 'succeeded'"""


def test_who_may_not_see_documents_may_not_see_metrics(ledger: Ledger) -> None:
    assert Client(headers={"host": "localhost"}).get("/metrics").status_code == 401
    assert browser().get("/metrics").status_code == 403
    assert browser(group="viewer").get("/metrics").status_code == 200
    assert script("viewer").post("/metrics").status_code == 405


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("10.0.0.7", {}, 401),
        ("127.0.0.1", {"x-forwarded-for": "10.0.0.7"}, 401),
        ("127.0.0.1", {"forwarded": "for=10.0.0.7"}, 401),
        ("", {}, 401),
    ],
)
def test_a_setting_opens_them_to_this_machine_alone(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, address: str, headers: dict[str, str], status: int
) -> None:
    monkeypatch.setenv("AEGIS_METRICS_OPEN_TO", "loopback")
    settings.cache_clear()
    client = Client(headers={"host": "localhost", **headers}, REMOTE_ADDR=address)
    assert client.get("/metrics").status_code == status


def test_names_are_told_apart() -> None:
    names = [metric.name for metric in GAUGES.values()] + [metric.name for metric, _ in COUNTERS.values()]
    assert len(set(names)) == len(names)
    assert all(metric.name.endswith("_total") for metric, _ in COUNTERS.values())
