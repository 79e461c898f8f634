"""The ledger's side of publish and removal: whose turn it is, which generation is live, and the rows that go.

The questionable decision: deleting rows and correcting the graph is one open transaction (`drop_old`, `erase`). The rows say what
to correct; if they went first, a crash in between would leave nodes in the graph that nothing remembers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import psycopg

from aegis_assets.errors import NotAllowed, NotFound, StoreUnavailable, Superseded
from aegis_assets.pipeline.publish import Dropped, Facts, Switched, Target, Triple
from aegis_assets.stores.ledger.base import (
    CONNECT_SECONDS,
    Base,
    Connection,
    fence,
    lock,
    lock_name,
    one,
    reads,
    rows,
    sentences,
    writes,
)
from aegis_assets.stores.ledger.graph_facts import GraphFacts
from aegis_assets.stores.ledger.resolving import Resolving

TURN_SECONDS: Final = 900  # publishing a large document takes a minute; many may wait
TURN: Final = "SELECT pg_advisory_lock(hashtextextended(%(name)s, 2))"

TARGET: Final = """
SELECT d.id AS document, d.collection_id AS collection, d.name, g.id AS generation, g.number
FROM aegis_document d JOIN aegis_generation g ON g.id = coalesce(d.making_id, d.live_id) WHERE d.id = %(document)s"""
LIVE: Final = """
SELECT d.id AS document, d.collection_id AS collection, d.name, g.id AS generation, g.number
FROM aegis_document d LEFT JOIN aegis_generation g ON g.id = d.live_id WHERE d.id = %(document)s"""
BEFORE: Final = "SELECT live_id, making_id FROM aegis_document WHERE id = %(document)s"
DIFFERENCE: Final = """
SELECT count(*) FILTER (WHERE old IS NULL) AS added, count(*) FILTER (WHERE old IS NOT NULL AND new IS NOT NULL) AS kept,
    count(*) FILTER (WHERE new IS NULL) AS removed
FROM (SELECT chunk_id AS new FROM aegis_placement WHERE generation_id = %(generation)s) n
FULL JOIN (SELECT chunk_id AS old FROM aegis_placement WHERE generation_id = %(live)s) o ON new = old"""
GO_LIVE: Final = """
UPDATE aegis_generation SET state = 'live', published_at = now(), chunks_added = %(added)s, chunks_kept = %(kept)s,
    chunks_removed = %(removed)s
WHERE id = %(generation)s"""
STEP_DOWN: Final = (
    "UPDATE aegis_generation SET state = 'superseded' WHERE document_id = %(document)s AND state = 'live' AND id <> %(generation)s"
)
SWITCH: Final = "UPDATE aegis_document SET live_id = %(generation)s, making_id = NULL WHERE id = %(document)s"
COUNTED: Final = """
SELECT chunks_added AS added, chunks_kept AS kept, chunks_removed AS removed FROM aegis_generation WHERE id = %(generation)s"""

# What goes with the generations that are neither live nor in the making. Constraints are checked at the end of the transaction.
OLD_WINDOWS: Final = """
SELECT w.id FROM aegis_window w JOIN aegis_document d ON d.id = w.document_id
WHERE d.id = %(document)s AND w.generation_id IS DISTINCT FROM d.live_id AND w.generation_id IS DISTINCT FROM d.making_id"""
DROP_WINDOWS: Final = (
    "DELETE FROM aegis_placement WHERE window_id = ANY(%(ids)s)",
    "DELETE FROM aegis_failure WHERE window_id = ANY(%(ids)s)",
    "DELETE FROM aegis_window WHERE id = ANY(%(ids)s)",
)
OLD_CHUNKS: Final = """
SELECT c.id, c.text_hash FROM aegis_chunk c
WHERE c.document_id = %(document)s AND NOT EXISTS (SELECT 1 FROM aegis_placement p WHERE p.chunk_id = c.id)"""
ALL_CHUNKS: Final = "SELECT id, text_hash FROM aegis_chunk WHERE document_id = %(document)s"
NAMED: Final = """
SELECT DISTINCT e.id, e.canonical_id AS canonical FROM aegis_mention m JOIN aegis_entity e ON e.id = m.entity_id
WHERE m.chunk_id = ANY(%(ids)s)"""
SAID: Final = """
SELECT DISTINCT s.canonical_id AS source, r.type, t.canonical_id AS target
FROM aegis_relation r JOIN aegis_entity s ON s.id = r.source_id JOIN aegis_entity t ON t.id = r.target_id
WHERE r.chunk_id = ANY(%(ids)s) AND s.canonical_id <> t.canonical_id"""
DROP_CHUNKS: Final = (
    "DELETE FROM aegis_relation WHERE chunk_id = ANY(%(ids)s)",
    "DELETE FROM aegis_mention WHERE chunk_id = ANY(%(ids)s)",
    "DELETE FROM aegis_chunk_task WHERE chunk_id = ANY(%(ids)s)",
    "DELETE FROM aegis_failure WHERE chunk_id = ANY(%(ids)s)",
    "DELETE FROM aegis_chunk WHERE id = ANY(%(ids)s)",
)
# The cache outlives a chunk only while another document has the same text: it holds what stood in the text.
DROP_CACHE: Final = """
DELETE FROM aegis_extraction x WHERE x.text_hash = ANY(%(hashes)s)
AND NOT EXISTS (SELECT 1 FROM aegis_chunk c WHERE c.text_hash = x.text_hash)"""

HOLD_ENTITIES: Final = "SELECT id FROM aegis_entity WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE"
# An undone merge is a person's decision; its two names wait for their return, unless their document is removed.
UNNAMED: Final = """
SELECT e.id FROM aegis_entity e
WHERE e.id = ANY(%(ids)s) AND NOT EXISTS (SELECT 1 FROM aegis_mention m WHERE m.entity_id = e.id)
  AND NOT EXISTS (SELECT 1 FROM aegis_relation r WHERE e.id IN (r.source_id, r.target_id))
  AND (%(forget)s OR NOT EXISTS (SELECT 1 FROM aegis_merge g WHERE g.undone AND e.id IN (g.left_id, g.right_id)))"""
UNNAMED_OF_ALL: Final = """
SELECT e.id FROM aegis_entity e
WHERE e.collection_id = %(collection)s AND NOT EXISTS (SELECT 1 FROM aegis_mention m WHERE m.entity_id = e.id)"""
GROUP: Final = """
SELECT id FROM aegis_entity
WHERE canonical_id IN (SELECT canonical_id FROM aegis_entity WHERE id = ANY(%(ids)s) UNION ALL SELECT unnest(%(ids)s::uuid[]))
  AND id <> ALL(%(ids)s)"""
DROP_ENTITIES: Final = (
    "DELETE FROM aegis_merge WHERE left_id = ANY(%(ids)s) OR right_id = ANY(%(ids)s)",
    "DELETE FROM aegis_entity WHERE id = ANY(%(ids)s)",
)

PARSED: Final = """
SELECT w.parsed, g.inspection FROM aegis_document d JOIN aegis_generation g ON g.id IN (d.live_id, d.making_id)
LEFT JOIN aegis_window w ON w.generation_id = g.id WHERE d.id = %(document)s"""
IDLE_BLOBS: Final = """
SELECT DISTINCT g.blob FROM aegis_generation g
WHERE g.document_id = %(document)s AND g.state = 'superseded' AND g.blob <> ''
  AND NOT EXISTS (SELECT 1 FROM aegis_document d WHERE d.blob = g.blob)
  AND NOT EXISTS (SELECT 1 FROM aegis_generation o WHERE o.blob = g.blob AND o.state <> 'superseded')"""
OWN_BLOBS: Final = """
SELECT mine.blob FROM (
    SELECT blob FROM aegis_document WHERE id = %(document)s UNION SELECT blob FROM aegis_generation WHERE document_id = %(document)s
) mine
WHERE mine.blob <> '' AND NOT EXISTS (SELECT 1 FROM aegis_document d WHERE d.blob = mine.blob AND d.id <> %(document)s)
  AND NOT EXISTS (
    SELECT 1 FROM aegis_generation o WHERE o.blob = mine.blob AND o.document_id <> %(document)s AND o.state <> 'superseded')"""
STATE: Final = "SELECT state, collection_id AS collection FROM aegis_document WHERE id = %(document)s"
ERASE: Final = (
    "DELETE FROM aegis_placement p USING aegis_window w WHERE w.id = p.window_id AND w.document_id = %(document)s",
    "DELETE FROM aegis_failure WHERE document_id = %(document)s",
    "DELETE FROM aegis_window WHERE document_id = %(document)s",
    "UPDATE aegis_document SET live_id = NULL, making_id = NULL WHERE id = %(document)s",
    "DELETE FROM aegis_generation WHERE document_id = %(document)s",
    "DELETE FROM aegis_run_document WHERE document_id = %(document)s",
    "UPDATE aegis_bucket_object SET document_id = NULL WHERE document_id = %(document)s",
    "DELETE FROM aegis_lease WHERE owner = %(document)s",
    "DELETE FROM aegis_document WHERE id = %(document)s",
)


class GraphView(Base):
    @contextmanager
    def publishing(self, collection: UUID) -> Iterator[Callable[[], None]]:
        """One at a time in a collection, first come first served; the turn ends with the process.

        Gives a check that raises StoreUnavailable when the turn was lost with its connection. Raises StoreUnavailable.
        """
        with sentences():
            connection = psycopg.connect(
                self._url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="aegis publish", keepalives_idle=30
            )
        with connection:
            try:
                connection.execute(f"SET lock_timeout = '{TURN_SECONDS}s'")
                connection.execute(TURN, {"name": f"publish:{collection}"})
            except psycopg.errors.LockNotAvailable as error:
                raise StoreUnavailable(
                    "Other documents of the collection took too long to publish. Retry publishes this one."
                ) from error

            def still_held() -> None:
                with sentences():
                    connection.execute("SELECT 1")

            yield still_held

    @reads
    def publish_target(self, connection: Connection, document: UUID, run_id: str) -> Target:
        """The generation in the making, else the live one. Raises Superseded, NotFound."""
        with connection.transaction():
            fence(connection, document, run_id)
            row = one(connection, TARGET, document=document)
        if row is None:
            raise NotFound("The document has no content to publish.")
        return Target.model_validate(row)

    @reads
    def live_target(self, connection: Connection, document: UUID) -> Target | None:
        """Raises NotFound."""
        row = one(connection, LIVE, document=document)
        if row is None:
            raise NotFound(f"There is no document {document}.")
        return Target.model_validate(row) if row["generation"] is not None else None

    def graph_facts(self) -> GraphFacts:
        """Each read on a connection of its own, repeated when that breaks."""

        def borrowed(work: Callable[[Connection], list[dict[str, object]]]) -> list[dict[str, object]]:
            def once() -> list[dict[str, object]]:
                with self.pool.connection() as connection:
                    return work(connection)

            return self._retrying(once)

        return GraphFacts(borrowed)

    @writes
    def switch(self, connection: Connection, target: Target, run_id: str) -> Switched:
        """The generation answers searches from here on. A second call only tells again what the first one counted."""
        fence(connection, target.document, run_id, alone=True)
        now = one(connection, BEFORE, document=target.document) or {}
        if now["live_id"] != target.generation:
            if now["making_id"] != target.generation:
                raise Superseded("Newer content has taken the place of this generation.")
            counted = one(connection, DIFFERENCE, generation=target.generation, live=now["live_id"])
            where = {"document": target.document, "generation": target.generation}
            for statement in (STEP_DOWN, GO_LIVE, SWITCH):
                connection.execute(statement, {**where, **(counted or {})})
        return Switched.model_validate(one(connection, COUNTED, generation=target.generation))

    @writes
    def drop_old(self, connection: Connection, target: Target, run_id: str, correct: Callable[[Facts, Dropped], None]) -> None:
        """What belongs to no generation that is live or in the making. correct: puts graph and vectors right; sees the rows as they
        will be, and is called again when the transaction is."""
        fence(connection, target.document, run_id, alone=True)
        windows = [row["id"] for row in rows(connection, OLD_WINDOWS, document=target.document)]
        for statement in DROP_WINDOWS:
            connection.execute(statement, {"ids": windows})
        chunks = rows(connection, OLD_CHUNKS, document=target.document)
        correct(GraphFacts(lambda work: work(connection)), _drop(connection, self, target.collection, chunks, forget=False))

    @reads
    def artifacts_in_use(self, connection: Connection, document: UUID) -> set[str]:
        """Bucket keys that the windows of the live generation, or of the one in the making, refer to."""
        used: set[str] = set()
        for row in rows(connection, PARSED, document=document):
            if row["inspection"] and row["inspection"].get("whole"):
                used.add(row["inspection"]["whole"])
            if row["parsed"]:
                used.add(row["parsed"]["artifact"])
                used.update(picture["image"] for picture in row["parsed"]["pictures"])
        return used

    @reads
    def idle_blobs(self, connection: Connection, document: UUID) -> list[str]:
        """Bytes of former contents that no document has now."""
        return [row["blob"] for row in rows(connection, IDLE_BLOBS, document=document)]

    @reads
    def own_blobs(self, connection: Connection, document: UUID) -> list[str]:
        """Bytes of present and former contents that no other document has now."""
        return [row["blob"] for row in rows(connection, OWN_BLOBS, document=document)]

    @reads
    def removal_target(self, connection: Connection, document: UUID) -> UUID | None:
        """The collection of a document that is being removed; None when it is gone. Raises NotAllowed in any other state."""
        row = one(connection, STATE, document=document)
        if row is None:
            return None
        if row["state"] != "removing":
            raise NotAllowed(f"The document is {row['state']}: ask for its removal first.")
        return UUID(str(row["collection"]))

    @writes
    def erase(self, connection: Connection, document: UUID, correct: Callable[[Facts, Dropped], None]) -> None:
        """Every row of a document that is being removed. correct: as for `drop_old`. A second call does nothing."""
        lock(connection, document)
        row = one(connection, STATE, document=document)
        if row is None:
            return
        chunks = rows(connection, ALL_CHUNKS, document=document)
        dropped = _drop(connection, self, row["collection"], chunks, forget=True)
        for statement in ERASE:
            connection.execute(statement, {"document": document})
        correct(GraphFacts(lambda work: work(connection)), dropped)


def _drop(connection: Connection, view: Base, collection: UUID, chunks: Sequence[dict[str, object]], *, forget: bool) -> Dropped:
    """Chunks with all that hangs on them, and the entities that nothing names any more. forget: undone merges too."""
    ids = [row["id"] for row in chunks]
    named = rows(connection, NAMED, ids=ids)
    triples: set[Triple] = {(row["source"], row["type"], row["target"]) for row in rows(connection, SAID, ids=ids)}
    for statement in DROP_CHUNKS:
        connection.execute(statement, {"ids": ids})
    connection.execute(DROP_CACHE, {"hashes": [row["text_hash"] for row in chunks]})
    own = {row["id"] for row in named}
    # Before the entities' rows: who recomputes canonical names takes the two in this order.
    lock_name(connection, f"canonical:{collection}")
    gone = _unnamed(connection, own, forget=forget)
    if forget:
        gone |= _unnamed(connection, {row["id"] for row in rows(connection, UNNAMED_OF_ALL, collection=collection)}, forget=False)
    moved: set[UUID] = set()
    if gone:
        left = [row["id"] for row in rows(connection, GROUP, ids=list(gone))]
        for statement in DROP_ENTITIES:
            connection.execute(statement, {"ids": list(gone)})
        # The method as it is written, on this connection: who is canonical must change in this transaction.
        moved = inspect.unwrap(Resolving.recompute_canonical)(view, connection, collection, left)
    entities = own | gone | {row["canonical"] for row in named}
    return Dropped(entities=frozenset(entities), triples=frozenset(triples), moved=frozenset(moved | gone))


def _unnamed(connection: Connection, entities: set[UUID], *, forget: bool) -> set[UUID]:
    """Held first: a name that someone is mentioning just now is waited for, and then it is named."""
    rows(connection, HOLD_ENTITIES, ids=list(entities))
    return {row["id"] for row in rows(connection, UNNAMED, ids=list(entities), forget=forget)}
