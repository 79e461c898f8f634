"""The job as Dagster runs it, in the test's process, on real engines and stores; only a language model is a double."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import dagster as dg
import pytest

from aegis_assets import settings as settings_module
from aegis_assets.definitions import defs
from aegis_assets.defs import platform as platform_module
from aegis_assets.model.ids import collection_id
from aegis_assets.pipeline.flow.platform import Platform
from aegis_assets.pipeline.publish import consistency

QUIET = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}


# Of one worker: two that publish the same names into the session's graph would take them from each other.
COLLECTION = f"tests-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


@dataclass(frozen=True)
class Everything:
    """Ids of one document in every store: what must be equal after any detour."""

    chunks: frozenset[UUID]
    vectors: frozenset[UUID]
    graph_chunks: frozenset[UUID]
    entities: frozenset[UUID]
    relations: frozenset[tuple[UUID, str, UUID]]


@dataclass
class Bench:
    """A platform of its own home and database, and a Dagster instance."""

    platform: Platform
    instance: dg.DagsterInstance
    home: Path

    def register(self, name: str, content: bytes, collection: str = COLLECTION) -> UUID:
        digest = hashlib.sha256(content).hexdigest()
        self.platform.bucket.put(f"blobs/{digest}", content)
        found = self.platform.ledger.register(collection, "upload", name, name, f"blobs/{digest}", digest, len(content))
        self.instance.add_dynamic_partitions("documents", [self.partition(found.document)])
        return found.document

    def partition(self, document: UUID) -> str:
        return self.platform.ledger.partition_keys([document])[document]

    def materialize(self, *documents: UUID) -> dg.ExecuteInProcessResult:
        job = defs.resolve_job_def("ingest")
        if len(documents) == 1:
            return job.execute_in_process(QUIET, self.instance, self.partition(documents[0]), raise_on_error=False)
        tags = {
            "dagster/asset_partition_range_start": self.partition(documents[0]),
            "dagster/asset_partition_range_end": self.partition(documents[-1]),
        }
        return job.execute_in_process(QUIET, self.instance, tags=tags, raise_on_error=False)

    def remove(self, *documents: UUID) -> dg.ExecuteInProcessResult:
        config = {**QUIET, "ops": {"remove_documents": {"config": {"documents": [str(document) for document in documents]}}}}
        return defs.resolve_job_def("remove").execute_in_process(config, self.instance, raise_on_error=False)

    def result(self, document: UUID) -> dict[str, object]:
        return self.platform.ledger.result(document)

    def everything(self, document: UUID, collection: str = COLLECTION) -> Everything:
        scope = collection_id(collection)
        graph, ledger = self.platform.graph, self.platform.ledger
        target = ledger.live_target(document)
        chunks = frozenset(ledger.graph_facts().chunk_ids(target.generation)) if target else frozenset()
        entities = frozenset(graph.entity_ids(scope, document))
        relations = graph.relation_triples_of(scope, sorted(entities))
        return Everything(
            chunks=chunks,
            vectors=frozenset(self.platform.vectors.chunk_ids(scope, document)),
            graph_chunks=frozenset(graph.chunk_ids(scope, document)),
            entities=entities,
            relations=frozenset(triple for triple in relations if {triple[0], triple[2]} <= entities),
        )

    def agree(self, document: UUID) -> bool:
        return consistency(document, self.platform.ledger, self.platform.vectors, self.platform.graph).agree


@pytest.fixture
def environment(
    ledger_url: str,
    arcadedb: tuple[str, str],
    engine_server: tuple[str, str],
    engine_bucket: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> pytest.MonkeyPatch:
    """Settings of a home of its own; a test adds its own before it asks for `bench`."""
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AEGIS_POSTGRES_URL", ledger_url)
    monkeypatch.setenv("AEGIS_NEO4J_URL", arcadedb[0])
    monkeypatch.setenv("AEGIS_NEO4J_USER", "root")
    monkeypatch.setenv("AEGIS_NEO4J_PASSWORD", arcadedb[1])
    monkeypatch.setenv("AEGIS_ENGINE_URL", engine_server[0])
    monkeypatch.setenv("AEGIS_ENGINE_TOKEN", engine_server[1])
    monkeypatch.setenv("AEGIS_BUCKET_URL", engine_bucket.as_uri())
    return monkeypatch


@pytest.fixture
def bench(environment: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bench]:
    settings_module.settings.cache_clear()
    platform_module.build.cache_clear()
    (tmp_path / "home").mkdir(exist_ok=True)
    platform = platform_module.build()
    with dg.instance_for_test() as instance:
        yield Bench(platform, instance, tmp_path / "home")
    platform.ledger.close()  # type: ignore[attr-defined]  # the next test truncates the tables
    settings_module.settings.cache_clear()
    platform_module.build.cache_clear()
