"""The ledger's side of publish and removal: which generation is live, what that changes elsewhere, and the rows that go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, LiteralString
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.errors import NotAllowed, NotFound
from aegis_assets.model.outbox import Dirty, Key, Kind
from aegis_assets.pipeline.outbox import Standing, Target
from aegis_assets.pipeline.publish import Removal, Switched, Switching
from aegis_assets.stores.ledger.base import Connection, one, reads, rows, writes
from aegis_assets.stores.ledger.blobs import Blobs
from aegis_assets.stores.ledger.describing import Describing
from aegis_assets.stores.ledger.embeddings import Embeddings
from aegis_assets.stores.ledger.evidence import changing
from aegis_assets.stores.ledger.fence import LOCK_ALL, fence_all, lock
from aegis_assets.stores.ledger.graph_drop import drop_chunks, drop_unnamed
from aegis_assets.stores.ledger.graph_facts import GraphFacts
from aegis_assets.stores.ledger.homes import follow_homes
from aegis_assets.stores.ledger.outbox import Outbox

# Cost of these four: the documents given.
TARGETS: Final = """
SELECT d.id AS document, d.collection_id AS collection, d.name, g.id AS generation, g.number
FROM aegis_document d JOIN aegis_generation g ON g.id = coalesce(d.making_id, d.live_id)
WHERE d.id = ANY(%(documents)s) ORDER BY d.id"""
LIVE: Final = """
SELECT d.id AS document, d.collection_id AS collection, d.name, g.id AS generation, g.number
FROM aegis_document d JOIN aegis_generation g ON g.id = d.live_id WHERE d.id = ANY(%(documents)s) ORDER BY d.id"""
KNOWN: Final = "SELECT 1 FROM aegis_document WHERE id = %(document)s"
STANDINGS: Final = """
SELECT id AS document, live_id AS live, making_id AS making, state = 'removing' AS removed FROM aegis_document
WHERE id = ANY(%(documents)s)"""
# Cost of these four: the chunks of the new and the old generations.
NEW_CHUNKS: Final = """
SELECT p.chunk_id AS id FROM unnest(%(generations)s::bigint[], %(lives)s::bigint[]) AS f(generation, live)
JOIN aegis_placement p ON p.generation_id = f.generation
WHERE NOT EXISTS (SELECT 1 FROM aegis_placement o WHERE o.generation_id = f.live AND o.chunk_id = p.chunk_id)"""
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
# Cost of these three: the documents given.
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
# Cost of these six: what the documents given have.
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
# Cost: the rows given.
UNCHANGED: Final = """
SELECT o.key AS document FROM unnest(%(ids)s::bigint[], %(versions)s::bigint[]) AS w(id, version)
JOIN aegis_outbox o ON o.id = w.id AND o.version = w.version WHERE o.claimed_by = %(claimer)s"""
# Cost of these four: the windows and generations of the documents given.
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
STATE: Final = """
SELECT state, collection_id AS collection, live_id IS NOT NULL OR making_id IS NOT NULL AS placed FROM aegis_document
WHERE id = %(document)s"""
GO_DARK: Final = "UPDATE aegis_document SET live_id = NULL, making_id = NULL WHERE id = %(document)s"
# Cost: what the document has.
ERASE: Final = (
    "DELETE FROM aegis_placement p USING aegis_window w WHERE w.id = p.window_id AND w.document_id = %(document)s",
    "DELETE FROM aegis_failure WHERE document_id = %(document)s",
    "DELETE FROM aegis_window WHERE document_id = %(document)s",
    "DELETE FROM aegis_generation WHERE document_id = %(document)s",
    "DELETE FROM aegis_run_document WHERE document_id = %(document)s",
    "UPDATE aegis_bucket_object SET document_id = NULL WHERE document_id = %(document)s",
    "DELETE FROM aegis_lease WHERE owner = %(document)s",
    "DELETE FROM aegis_document WHERE id = %(document)s",
)


class GraphView(Blobs, Describing, Embeddings, Outbox):
    @reads
    def publish_targets(self, connection: Connection, documents: Sequence[UUID], run_id: str) -> list[Target]:
        """Of the documents that are the run's: the generation in the making, else the live one."""
        with connection.transaction():
            ours = fence_all(connection, documents, run_id)
            return _targets(connection, TARGETS, ours)

    @reads
    def live_targets(self, connection: Connection, documents: Sequence[UUID]) -> list[Target]:
        """Return the live generations of the documents that have one."""
        return _targets(connection, LIVE, documents)

    @reads
    def live_target(self, connection: Connection, document: UUID) -> Target | None:
        """Raises NotFound."""
        target = next(iter(_targets(connection, LIVE, [document])), None)
        if target is None and one(connection, KNOWN, document=document) is None:
            raise NotFound(f"There is no document {document}.")
        return target

    @reads
    def standings_of(self, connection: Connection, documents: Sequence[UUID]) -> dict[UUID, Standing]:
        """Return how each document stands; one that is gone counts as removed."""
        found = {
            row.pop("document"): Standing.model_validate(row) for row in rows(connection, STANDINGS, documents=list(documents))
        }
        return dict.fromkeys(documents, Standing(live=None, making=None, removed=True)) | found

    def graph_facts(self) -> GraphFacts:
        """Each read on a connection of its own, repeated when that breaks."""

        def borrowed(work: Callable[[Connection], list[dict[str, object]]]) -> list[dict[str, object]]:
            def once() -> list[dict[str, object]]:
                with self.pool.connection() as connection:
                    return work(connection)

            return self._retrying(once)

        return GraphFacts(borrowed)

    @writes
    def switch(self, connection: Connection, documents: Sequence[UUID], run_id: str) -> Switching:
        """Make the generations of the run's documents the live ones, and mark what that changes in graph and vectors. A second call
        marks the documents again and tells what the first one counted. documents: of one collection."""
        targets = _targets(connection, TARGETS, fence_all(connection, documents, run_id))
        if not targets:
            return Switching(targets=(), counts={}, keys=frozenset())
        lives = {row["document"]: row["live"] for row in rows(connection, STANDINGS, documents=[one.document for one in targets])}
        fresh = [target for target in targets if target.generation != lives[target.document]]
        where = {
            "documents": [target.document for target in fresh],
            "generations": [target.generation for target in fresh],
            "lives": [lives[target.document] for target in fresh],
        }
        generations = [target.generation for target in targets]
        with changing(connection, targets[0].collection, targets[0].document) as change:
            change.regroup(row["id"] for row in rows(connection, NAMES, generations=generations))
            if fresh:
                change.mark(Kind.CHUNK, (row["id"] for row in rows(connection, NEW_CHUNKS, **where)))
                with change.tracked([target.document for target in fresh]):
                    for statement in (STEP_DOWN, GO_LIVE, SWITCH):
                        connection.execute(statement, where)
                follow_homes(connection, [target.document for target in fresh])
            for kind in (Kind.CONTENT, Kind.DOCUMENT):
                change.mark(kind, lives)
        counts = {row.pop("document"): Switched.model_validate(row) for row in rows(connection, COUNTED, generations=generations)}
        return Switching(targets=tuple(targets), counts=counts, keys=frozenset(change.keys))

    @writes
    def drop_old(self, connection: Connection, collection: UUID, claimed: Sequence[Dirty], claimer: str) -> set[Key]:
        """Delete what belongs to no generation that is live or in the making. Return what that marked.

        claimed: documents, of which the stores hold nothing old any more. One that went on meanwhile is passed over.
        """
        connection.execute(LOCK_ALL, {"documents": sorted(one.key.id for one in claimed)})
        where = {"ids": [one.row for one in claimed], "versions": [one.version for one in claimed], "claimer": claimer}
        same = [row["document"] for row in rows(connection, UNCHANGED, **where)]
        documents = [row["document"] for row in rows(connection, STANDINGS, documents=same) if not row["removed"]]
        windows = [row["id"] for row in rows(connection, OLD_WINDOWS, documents=documents)]
        if windows:
            for statement in DROP_WINDOWS:
                connection.execute(statement, {"ids": windows})
        chunks = rows(connection, OLD_CHUNKS, documents=documents)
        if not chunks:
            return set()
        names = drop_chunks(connection, chunks)
        with changing(connection, collection, documents[0]) as change:
            drop_unnamed(connection, change, names)
        return change.keys

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
        """Return the collection of a document that is being removed, None when it is gone. Raises NotAllowed in any other state."""
        row = _removed(connection, document)
        return UUID(str(row["collection"])) if row else None

    @writes
    def start_removal(self, connection: Connection, document: UUID) -> Removal | None:
        """Take what a document that is being removed says out of the graph's contents, and mark what that changes.

        Return None when it is gone. Raises NotAllowed in any other state.
        """
        lock(connection, document)
        row = _removed(connection, document)
        if row is None:
            return None
        with changing(connection, row["collection"], document) as change:
            if row["placed"]:
                with change.tracked([document]):
                    connection.execute(GO_DARK, {"document": document})
                follow_homes(connection, [document])
            change.mark(Kind.DOCUMENT, [document])
        return Removal(collection=row["collection"], keys=frozenset(change.keys))

    @writes
    def erase(self, connection: Connection, document: UUID) -> None:
        """Delete every row of a document whose removal was started, and mark what that changes. A second call does nothing, even if
        the document has come back meanwhile."""
        lock(connection, document)
        row = one(connection, STATE, document=document)
        if row is None or row["state"] != "removing":
            return
        if row["placed"]:
            raise NotAllowed("The removal of this document has not begun.")
        names = drop_chunks(connection, rows(connection, ALL_CHUNKS, document=document))
        for statement in ERASE:
            connection.execute(statement, {"document": document})
        with changing(connection, row["collection"], document) as change:
            drop_unnamed(connection, change, names, forget=True)


def _removed(connection: Connection, document: UUID) -> DictRow | None:
    row = one(connection, STATE, document=document)
    if row is not None and row["state"] != "removing":
        raise NotAllowed(f"The document is {row['state']}: ask for its removal first.")
    return row


def _targets(connection: Connection, query: LiteralString, documents: Collection[UUID]) -> list[Target]:
    return [Target.model_validate(row) for row in rows(connection, query, documents=list(documents))]
