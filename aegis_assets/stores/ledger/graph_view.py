"""The ledger's side of publish and removal: whose turn it is, which generation is live, and the rows that go.

The questionable decision: deleting rows and correcting the graph is one open transaction (`drop_old`, `erase`). The rows say what
to correct; if they went first, a crash in between would leave nodes in the graph that nothing remembers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import psycopg

from aegis_assets.errors import NotAllowed, NotFound, StoreUnavailable
from aegis_assets.pipeline.publish import Dropped, Facts, Switched, Target
from aegis_assets.stores.ledger.base import (
    CONNECT_SECONDS,
    Connection,
    fence_all,
    lock,
    one,
    reads,
    rows,
    sentences,
    writes,
)
from aegis_assets.stores.ledger.blobs import Blobs
from aegis_assets.stores.ledger.canonical import recompute
from aegis_assets.stores.ledger.embeddings import Embeddings
from aegis_assets.stores.ledger.graph_drop import drop
from aegis_assets.stores.ledger.graph_facts import GraphFacts

TURN_SECONDS: Final = 900  # publishing a large document takes a minute; many may wait
TURN: Final = "SELECT pg_advisory_lock(hashtextextended(%(name)s, 2))"

TARGETS: Final = """
SELECT d.id AS document, d.collection_id AS collection, d.name, g.id AS generation, g.number
FROM aegis_document d JOIN aegis_generation g ON g.id = coalesce(d.making_id, d.live_id)
WHERE d.id = ANY(%(documents)s) ORDER BY d.id"""
LIVE: Final = """
SELECT d.id AS document, d.collection_id AS collection, d.name, g.id AS generation, g.number
FROM aegis_document d LEFT JOIN aegis_generation g ON g.id = d.live_id WHERE d.id = %(document)s"""
BEFORE: Final = """
SELECT w.document, d.live_id AS live FROM unnest(%(documents)s::uuid[], %(generations)s::bigint[]) AS w(document, generation)
JOIN aegis_document d ON d.id = w.document AND w.generation IN (d.live_id, d.making_id)"""
GO_LIVE: Final = """
WITH fresh AS (
    SELECT * FROM unnest(%(generations)s::bigint[], %(lives)s::bigint[]) AS f(generation, live)
), new AS (
    SELECT f.generation, p.chunk_id FROM fresh f JOIN aegis_placement p ON p.generation_id = f.generation
), old AS (
    SELECT f.generation, p.chunk_id FROM fresh f JOIN aegis_placement p ON p.generation_id = f.live
), counted AS (
    SELECT generation, count(*) FILTER (WHERE old.chunk_id IS NULL) AS added,
        count(*) FILTER (WHERE old.chunk_id IS NOT NULL AND new.chunk_id IS NOT NULL) AS kept,
        count(*) FILTER (WHERE new.chunk_id IS NULL) AS removed
    FROM new FULL JOIN old USING (generation, chunk_id) GROUP BY generation
)
UPDATE aegis_generation g SET state = 'live', published_at = now(), chunks_added = coalesce(c.added, 0),
    chunks_kept = coalesce(c.kept, 0), chunks_removed = coalesce(c.removed, 0)
FROM fresh f LEFT JOIN counted c USING (generation) WHERE g.id = f.generation"""
STEP_DOWN: Final = """
UPDATE aegis_generation SET state = 'superseded'
WHERE document_id = ANY(%(documents)s) AND state = 'live' AND id <> ALL(%(generations)s)"""
SWITCH: Final = """
UPDATE aegis_document d SET live_id = f.generation, making_id = NULL
FROM unnest(%(documents)s::uuid[], %(generations)s::bigint[]) AS f(document, generation) WHERE d.id = f.document"""
COUNTED: Final = """
SELECT document_id AS document, chunks_added AS added, chunks_kept AS kept, chunks_removed AS removed
FROM aegis_generation WHERE id = ANY(%(generations)s)"""

# What goes with the generations that are neither live nor in the making. Constraints are checked at the end of the transaction.
OLD_WINDOWS: Final = """
SELECT w.id FROM aegis_window w JOIN aegis_document d ON d.id = w.document_id
WHERE d.id = ANY(%(documents)s) AND w.generation_id IS DISTINCT FROM d.live_id AND w.generation_id IS DISTINCT FROM d.making_id"""
DROP_WINDOWS: Final = (
    "DELETE FROM aegis_placement WHERE window_id = ANY(%(ids)s)",
    "DELETE FROM aegis_failure WHERE window_id = ANY(%(ids)s)",
    "DELETE FROM aegis_window WHERE id = ANY(%(ids)s)",
)
NAMES: Final = """
SELECT DISTINCT m.entity_id AS id FROM aegis_placement p JOIN aegis_mention m ON m.chunk_id = p.chunk_id
WHERE p.generation_id = ANY(%(generations)s)"""
OLD_CHUNKS: Final = """
SELECT c.id, c.text_hash FROM aegis_chunk c
WHERE c.document_id = ANY(%(documents)s) AND NOT EXISTS (SELECT 1 FROM aegis_placement p WHERE p.chunk_id = c.id)"""
ALL_CHUNKS: Final = "SELECT id, text_hash FROM aegis_chunk WHERE document_id = %(document)s"
IN_USE: Final = """
WITH used AS (
    SELECT g.id, g.inspection ->> 'whole' AS whole FROM aegis_document d JOIN aegis_generation g ON g.id IN (d.live_id, d.making_id)
    WHERE d.id = ANY(%(documents)s)
)
SELECT whole AS key FROM used WHERE whole <> ''
UNION SELECT w.parsed ->> 'artifact' FROM used u JOIN aegis_window w ON w.generation_id = u.id WHERE w.parsed IS NOT NULL
UNION SELECT picture ->> 'image' FROM used u JOIN aegis_window w ON w.generation_id = u.id,
    jsonb_array_elements(w.parsed -> 'pictures') AS picture"""
IDLE_BLOBS: Final = """
SELECT DISTINCT blob FROM aegis_generation WHERE document_id = ANY(%(documents)s) AND state = 'superseded' AND blob <> ''"""
OWN_BLOBS: Final = """
SELECT blob FROM aegis_document WHERE id = %(document)s AND blob <> ''
UNION SELECT blob FROM aegis_generation WHERE document_id = %(document)s AND blob <> ''"""
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


class GraphView(Blobs, Embeddings):
    @contextmanager
    def publishing(self, collection: UUID) -> Iterator[Callable[[], None]]:
        """One at a time in a collection, first come first served; the turn ends with the process.

        Gives a check that raises StoreUnavailable when the turn was lost with its connection. Raises StoreUnavailable.
        """
        with self._retrying(lambda: _turn(self._url, collection)) as connection:

            def still_held() -> None:
                with sentences():
                    connection.execute("SELECT 1")

            yield still_held

    @reads
    def publish_targets(self, connection: Connection, documents: Sequence[UUID], run_id: str) -> list[Target]:
        """Of the documents that are the run's: the generation in the making, else the live one."""
        with connection.transaction():
            ours = fence_all(connection, documents, run_id)
            found = rows(connection, TARGETS, documents=list(ours))
        return [Target.model_validate(row) for row in found]

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
    def switch(self, connection: Connection, targets: Sequence[Target], run_id: str) -> dict[UUID, Switched]:
        """The generations answer searches from here on. A second call only tells again what the first one counted.

        A document is not in the answer, and is left as it is, when it is another run's or newer content has taken the place of this
        generation.
        """
        ours = fence_all(connection, [target.document for target in targets], run_id)
        wanted = {target.document: target.generation for target in targets if target.document in ours}
        now = rows(connection, BEFORE, documents=list(wanted), generations=list(wanted.values()))
        fresh = {row["document"]: row["live"] for row in now if row["live"] != wanted[row["document"]]}
        if fresh:
            where = {"documents": list(fresh), "generations": [wanted[one] for one in fresh], "lives": list(fresh.values())}
            for statement in (STEP_DOWN, GO_LIVE, SWITCH):
                connection.execute(statement, where)
        counted = rows(connection, COUNTED, generations=[wanted[row["document"]] for row in now])
        return {row.pop("document"): Switched.model_validate(row) for row in counted}

    @writes
    def drop_old(
        self,
        connection: Connection,
        targets: Sequence[Target],
        run_id: str,
        correct: Callable[[Facts, Dropped, Sequence[Target]], None],
    ) -> list[Target]:
        """What belongs to no generation that is live or in the making goes, and merges around the documents' names are followed.
        correct: puts graph and vectors right; sees the rows as they will be, and is called again when the transaction is. Gives
        the targets whose documents are still the run's."""
        ours = fence_all(connection, [target.document for target in targets], run_id)
        left = [target for target in targets if target.document in ours]
        if not left:
            return []
        collection, documents = left[0].collection, list(ours)
        windows = [row["id"] for row in rows(connection, OLD_WINDOWS, documents=documents)]
        if windows:
            for statement in DROP_WINDOWS:
                connection.execute(statement, {"ids": windows})
        dropped = drop(connection, collection, rows(connection, OLD_CHUNKS, documents=documents), forget=False)
        names = [row["id"] for row in rows(connection, NAMES, generations=[target.generation for target in left])]
        moved = dropped.moved | recompute(connection, collection, names)
        correct(GraphFacts(lambda work: work(connection)), dropped.model_copy(update={"moved": moved}), left)
        return left

    @reads
    def artifacts_in_use(self, connection: Connection, documents: Sequence[UUID]) -> set[str]:
        """Bucket keys that the windows of the live generations, or of those in the making, refer to."""
        return {row["key"] for row in rows(connection, IN_USE, documents=list(documents))}

    @reads
    def idle_blobs(self, connection: Connection, documents: Sequence[UUID]) -> list[str]:
        """Bytes of former contents, for `discard`."""
        return [row["blob"] for row in rows(connection, IDLE_BLOBS, documents=list(documents))]

    @reads
    def own_blobs(self, connection: Connection, document: UUID) -> list[str]:
        """Bytes of present and former contents, for `discard`."""
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
        """Every row of a document that is being removed. correct: as for `drop_old`. A second call does nothing, even when the
        document has come back meanwhile."""
        lock(connection, document)
        row = one(connection, STATE, document=document)
        if row is None or row["state"] != "removing":
            return
        chunks = rows(connection, ALL_CHUNKS, document=document)
        dropped = drop(connection, row["collection"], chunks, forget=True)
        for statement in ERASE:
            connection.execute(statement, {"document": document})
        correct(GraphFacts(lambda work: work(connection)), dropped)


def _turn(url: str, collection: UUID) -> psycopg.Connection:
    """A connection that holds it. One that breaks while it waits is made anew by the caller: PostgreSQL may be restarting."""
    connection = psycopg.connect(
        url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="aegis publish", keepalives_idle=30
    )
    try:
        connection.execute(f"SET lock_timeout = '{TURN_SECONDS}s'")
        connection.execute(TURN, {"name": f"publish:{collection}"})
    except psycopg.errors.LockNotAvailable as error:
        connection.close()
        raise StoreUnavailable("Other documents of the collection took too long to publish. Retry publishes this one.") from error
    except BaseException:
        connection.close()
        raise
    return connection
