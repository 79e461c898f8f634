"""The ledger, the bucket and Dagster as this process uses them: made on first use, one each per process.

Imports stand inside the functions: a page that only reads the database must not wait for the drivers of three stores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aegis_assets.errors import StoreUnavailable
from aegis_assets.settings import settings
from webadmin.orchestrator.client import DagsterClient
from webadmin.shared_reading import Once

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from aegis_assets.engines.client import EngineClient
    from aegis_assets.model.embedding import Embedding, VectorHit
    from aegis_assets.model.vector_settings import VectorSettings
    from aegis_assets.pipeline.decide import Decided
    from aegis_assets.pipeline.flow.fingerprints import Fingerprints
    from aegis_assets.pipeline.flow.platform import Numbers
    from aegis_assets.pipeline.flow.rebuild import RebuildProgress
    from aegis_assets.pipeline.ports import Extractor, Vision
    from aegis_assets.stores.bucket import ObjectBucket
    from aegis_assets.stores.graph import BoltGraph
    from aegis_assets.stores.leases import Leases
    from aegis_assets.stores.ledger import Ledger
    from aegis_assets.stores.vectors import QdrantVectors


@Once
def ledger() -> Ledger:
    from aegis_assets.stores.ledger import Ledger

    url = settings().postgres_url.get_secret_value()
    if not url:
        raise StoreUnavailable("The stack is not running (no PostgreSQL is configured). Start it with make up.")
    return Ledger(url)


@Once
def bucket() -> ObjectBucket:
    from aegis_assets.stores.bucket import open_bucket

    return open_bucket(settings().bucket_address, settings())


@Once
def engine() -> EngineClient:
    """Gives up after seconds where a run's own client waits a minute: somebody sits in front of this one. It outlives a parser that
    is exchanged elsewhere."""
    from aegis_assets.engines.client import EngineClient

    token = settings().engine_token.get_secret_value()
    return EngineClient(settings().engine_address, token, patience=3.0, info_seconds=60.0)


@Once
def vectors() -> QdrantVectors:
    from aegis_assets.stores.vectors import open_vectors

    return open_vectors(settings())


@Once
def graph() -> BoltGraph:
    """Gives up after seconds where publish waits a minute. Nothing is read through it: what pages show stands in the ledger too."""
    from aegis_assets.stores.graph import BoltGraph

    return BoltGraph.from_settings(settings(), timeout=20.0, patience=3.0)


def search_vectors(collections: list[UUID], query: Embedding, limit: int) -> list[list[VectorHit]]:
    """Return the candidates of each collection, to be fused together."""
    return [vectors().candidates(collection, query, limit) for collection in collections]


def check_vectors() -> str:
    return vectors().check()


def configure_vectors(collection: UUID, wanted: VectorSettings) -> None:
    """Make the Qdrant server keep the collection's vectors so; the local mode keeps them in one way only."""
    vectors().configure(collection, wanted)


def check_graph() -> str:
    """Return which server answers. By a client of its own: the runs' one waits a minute for a server that is being restarted."""
    from aegis_assets.stores.graph import BoltGraph

    asked = BoltGraph.from_settings(settings(), timeout=5.0, patience=3.0)
    try:
        return str(asked.check())
    finally:
        asked.close()


def rebuild(store: Literal["graph", "vectors"], collection: UUID, anew: bool) -> Iterator[RebuildProgress]:
    """Write a store anew for a collection. anew: whatever an interrupted rebuild has done; vectors are compared in any case."""
    from aegis_assets.engines import lexical
    from aegis_assets.pipeline.flow.rebuild import rebuild_graph
    from aegis_assets.pipeline.flow.rebuild_vectors import LexicalSide, rebuild_vectors
    from aegis_assets.stores.graph import BoltGraph

    if store == "vectors":
        side = LexicalSide(lexical.FINGERPRINT, lexical.renew)
        yield from rebuild_vectors(ledger(), bucket(), vectors(), engine(), collection, side)
        return
    patient = BoltGraph.from_settings(settings())  # the pages' one gives up after seconds
    try:
        yield from rebuild_graph(ledger(), bucket(), vectors(), patient, collection, anew=anew)
    finally:
        patient.close()


def merge_entities(collection: UUID, pair: tuple[UUID, UUID], by: str) -> int:
    """Decide in the ledger and write it to the graph. Return the decision's id. Raises AegisError, and then nothing has changed; so
    do the next two."""
    return _written(ledger().merge_entities(collection, pair, by))


def split_entity(collection: UUID, entity: UUID, names: Sequence[UUID], by: str) -> int:
    return _written(ledger().split_entity(collection, entity, names, by))


def undo_decision(decision: int, by: str) -> None:
    _written(ledger().undo_decision(decision, by))


def _written(decided: Decided) -> int:
    from aegis_assets.pipeline.decide import write_decided
    from aegis_assets.pipeline.outbox import Stores

    write_decided(decided, Stores(ledger(), vectors(), graph()))
    return decided.decision


def leases() -> Leases:
    """To look at: who holds what, living ones only, and what there is. It connects per question."""
    from aegis_assets.stores.leases import Leases

    return Leases.from_settings(settings())


@dataclass(frozen=True)
class Engines:
    """What decides the fingerprints of work done now."""

    parser: EngineClient
    embedder: EngineClient
    vision: Vision
    extractor: Extractor
    numbers: Numbers


def fingerprints(collection: UUID) -> Fingerprints:
    """What a run in this collection would work by. Raises EngineUnavailable."""
    from aegis_assets.engines import chosen
    from aegis_assets.pipeline.flow.fingerprints import current
    from aegis_assets.pipeline.flow.platform import Numbers

    server = engine()
    engines = Engines(
        server, server, chosen.vision(settings(), server), chosen.extractor(settings(), server), Numbers.of(settings())
    )
    return current(engines, ledger().collection(collection).schema)


def dagster() -> DagsterClient:
    return DagsterClient(settings().dagster_address)
