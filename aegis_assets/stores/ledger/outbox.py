"""The outbox: which objects of graph and vector store must be compared with the ledger and written, and who does it just now.

Design note: a claim expires, so a process that stalls may write old state over newer. It finds out when it wants to take its rows
out, and then everything that its late write may have harmed is marked again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final
from uuid import UUID

from aegis_assets.model.outbox import Dirty, Key, Kind
from aegis_assets.stores.ledger.base import Base, Connection, reads, rows, writes
from aegis_assets.stores.ledger.evidence import Change, changing

CLAIM_SECONDS: Final = 120  # a claimed batch is written within seconds, unless a store is away
SWEPT_AFTER: Final = 60  # seconds: who marked something writes it at once

# A claim that is lost with a crash of PostgreSQL leaves a row that is free, and a removal that is lost a row too many.
NO_WAIT: Final = "SET LOCAL synchronous_commit TO off"
FREE: Final = "(o.claimed_at IS NULL OR o.claimed_at < now() - make_interval(secs => %(seconds)s))"
# Cost: the keys given. A chunk's edges can be written when its document's nodes are.
CLAIM: Final = f"""
UPDATE aegis_outbox c SET claimed_by = %(claimer)s, claimed_at = now()
FROM (
    SELECT o.id FROM aegis_outbox o
    WHERE o.collection_id = %(collection)s AND o.kind = %(kind)s AND o.key = ANY(%(keys)s)
        AND ({FREE} OR o.claimed_by = %(claimer)s)
        AND (o.kind <> 'chunk' OR NOT EXISTS (
            SELECT 1 FROM aegis_chunk k JOIN aegis_outbox n ON n.collection_id = o.collection_id AND n.key = k.document_id
            WHERE k.id = o.key AND n.kind = 'content'))
    ORDER BY o.key FOR UPDATE SKIP LOCKED
) free
WHERE c.id = free.id RETURNING c.id, c.version, c.kind, c.key, c.source_id, c.type, c.target_id"""
# Cost of these five: the rows or keys given.
CLAIMED: Final = """
SELECT id, version FROM aegis_outbox WHERE id = ANY(%(ids)s) AND claimed_by = %(claimer)s ORDER BY kind, key FOR UPDATE"""
TAKE_OUT: Final = "DELETE FROM aegis_outbox WHERE id = ANY(%(ids)s)"
LET_GO: Final = "UPDATE aegis_outbox SET claimed_by = '', claimed_at = NULL WHERE id = ANY(%(ids)s)"
STILL: Final = """
SELECT key FROM aegis_outbox WHERE collection_id = %(collection)s AND kind = %(kind)s AND key = ANY(%(keys)s)"""
CONTENTS: Final = """
SELECT DISTINCT n.key FROM aegis_chunk k JOIN aegis_outbox n ON n.key = k.document_id
WHERE k.id = ANY(%(chunks)s) AND n.collection_id = %(collection)s AND n.kind = 'content'"""
# Cost: the rows that the claimer has.
RELEASE: Final = """
UPDATE aegis_outbox o SET claimed_by = '', claimed_at = NULL
FROM (
    SELECT id FROM aegis_outbox
    WHERE claimed_by = %(claimer)s AND claimed_by <> '' AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    ORDER BY kind, key FOR UPDATE
) mine
WHERE o.id = mine.id"""
# Cost: what is claimed just now, by anybody.
RELEASE_RUN: Final = """
UPDATE aegis_outbox o SET claimed_by = '', claimed_at = NULL
FROM (
    SELECT id FROM aegis_outbox
    WHERE claimed_by <> '' AND starts_with(claimed_by, %(run_id)s || ':') ORDER BY kind, key FOR UPDATE
) theirs
WHERE o.id = theirs.id"""
# Cost of these two: what the documents' publishing left, or the limit and what is claimed.
LEFT_BY: Final = "SELECT collection_id AS collection, kind, key FROM aegis_outbox WHERE document_id = ANY(%(documents)s)"
LEFTOVERS: Final = f"""
SELECT o.collection_id AS collection, o.kind, o.key FROM aegis_outbox o
WHERE o.marked_at < now() - make_interval(secs => %(age)s) AND o.collection_id <> ALL(%(without)s) AND {FREE}
ORDER BY o.id LIMIT %(limit)s"""

# What belongs to whole documents or entities. Cost of these five: what the documents' chunks say, and the entities' evidence.
LIVE_CHUNKS: Final = """
SELECT p.chunk_id AS id FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id
WHERE d.id = ANY(%(documents)s)"""
NAMED: Final = """
SELECT DISTINCT e.canonical_id AS id FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id
JOIN aegis_mention m ON m.chunk_id = p.chunk_id JOIN aegis_entity e ON e.id = m.entity_id WHERE d.id = ANY(%(documents)s)"""
STATED: Final = """
SELECT DISTINCT s.canonical_id AS source, r.type, t.canonical_id AS target
FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id JOIN aegis_relation r ON r.chunk_id = p.chunk_id
JOIN aegis_entity s ON s.id = r.source_id JOIN aegis_entity t ON t.id = r.target_id
WHERE d.id = ANY(%(documents)s) AND s.canonical_id <> t.canonical_id"""
EVIDENCE: Final = """
SELECT DISTINCT m.chunk_id AS id FROM aegis_entity e JOIN aegis_mention m ON m.entity_id = e.id
JOIN aegis_document d ON d.id = m.document_id JOIN aegis_placement p ON p.chunk_id = m.chunk_id AND p.generation_id = d.live_id
WHERE e.canonical_id = ANY(%(entities)s)"""
INCIDENT: Final = """
SELECT source_id AS source, type, target_id AS target FROM aegis_graph_relation WHERE source_id = ANY(%(entities)s)
UNION SELECT source_id, type, target_id FROM aegis_graph_relation WHERE target_id = ANY(%(entities)s)"""


class Outbox(Base):
    """Marks of what must be written, and claims on them.

    claimer: a word that no other claim has. It begins with the id of the run that claims and a colon.
    """

    @writes
    def claim_dirty(self, connection: Connection, collection: UUID, kind: Kind, keys: Sequence[UUID], claimer: str) -> list[Dirty]:
        """Return those of the objects that are marked and that nobody else writes just now."""
        connection.execute(NO_WAIT)
        where = {"collection": collection, "kind": kind, "keys": list(keys), "seconds": CLAIM_SECONDS, "claimer": claimer}
        return [
            Dirty(
                row=row["id"],
                version=row["version"],
                key=Key(Kind(row["kind"]), row["key"]),
                triple=(row["source_id"], row["type"], row["target_id"]) if row["type"] else None,
            )
            for row in rows(connection, CLAIM, **where)
        ]

    def settle_dirty(self, collection: UUID, claimed: Sequence[Dirty], claimer: str) -> None:
        """Take out what was written. What was marked again meanwhile is free then; what was lost to another one is marked again."""
        if lost := self._take_out(claimed, claimer):
            self._mark_lost(collection, lost)

    @writes
    def _take_out(self, connection: Connection, claimed: Sequence[Dirty], claimer: str) -> list[Dirty]:
        """Return what was lost."""
        connection.execute(NO_WAIT)
        versions = {
            row["id"]: row["version"] for row in rows(connection, CLAIMED, ids=[one.row for one in claimed], claimer=claimer)
        }
        connection.execute(TAKE_OUT, {"ids": [one.row for one in claimed if versions.get(one.row) == one.version]})
        if again := [one.row for one in claimed if versions.get(one.row, one.version) != one.version]:
            connection.execute(LET_GO, {"ids": again})
        return [one for one in claimed if one.row not in versions]

    @writes
    def _mark_lost(self, connection: Connection, collection: UUID, lost: Sequence[Dirty]) -> None:
        with changing(connection, collection) as change:
            mark_lost(connection, change, lost)

    @writes
    def release_dirty(self, connection: Connection, claimer: str, kind: Kind | None = None) -> None:
        """Let others have what this one claimed and did not write. kind: only of this one."""
        connection.execute(NO_WAIT)
        connection.execute(RELEASE, {"claimer": claimer, "kind": kind})

    @writes
    def release_run(self, connection: Connection, run_id: str) -> None:
        """Let others have what any claimer of this run has claimed."""
        release_claims(connection, run_id)

    @reads
    def still_dirty(self, connection: Connection, collection: UUID, kind: Kind, keys: Iterable[UUID]) -> set[UUID]:
        """Return those of the objects that are marked, whoever writes them."""
        return {row["key"] for row in rows(connection, STILL, collection=collection, kind=kind, keys=list(keys))}

    @reads
    def dirty_contents(self, connection: Connection, collection: UUID, chunks: Iterable[UUID]) -> set[UUID]:
        """Return the documents of these chunks whose nodes are still to be written."""
        return {row["key"] for row in rows(connection, CONTENTS, collection=collection, chunks=list(chunks))}

    @reads
    def left_by(self, connection: Connection, documents: Sequence[UUID]) -> dict[UUID, set[Key]]:
        """Return what publishing or removing the documents marked and nobody has written yet, by collection."""
        return _by_collection(rows(connection, LEFT_BY, documents=list(documents)))

    @reads
    def leftovers(self, connection: Connection, limit: int, without: Sequence[UUID]) -> dict[UUID, set[Key]]:
        """Return what was marked a while ago and nobody writes, by collection, the oldest first. without: collections left out."""
        asked = {"age": SWEPT_AFTER, "seconds": CLAIM_SECONDS, "limit": limit, "without": list(without)}
        return _by_collection(rows(connection, LEFTOVERS, **asked))

    @writes
    def mark_documents(self, connection: Connection, collection: UUID, documents: Sequence[UUID]) -> set[Key]:
        """Let everything of the documents be compared and written. Return what that is."""
        with changing(connection, collection, documents[0]) as change:
            mark_whole(connection, change, documents)
        return change.keys


def release_claims(connection: Connection, run_id: str) -> None:
    """Let others have what a run claimed that is over.

    If it is not over, what it still writes counts as lost, as after any claim that has expired.
    """
    if run_id:
        connection.execute(RELEASE_RUN, {"run_id": run_id})


def mark_whole(connection: Connection, change: Change, documents: Collection[UUID]) -> None:
    """Mark the documents with all that their live chunks say."""
    asked = {"documents": list(documents)}
    for kind in (Kind.CONTENT, Kind.DOCUMENT):
        change.mark(kind, documents)
    change.mark(Kind.CHUNK, (row["id"] for row in rows(connection, LIVE_CHUNKS, **asked)))
    change.mark(Kind.ENTITY, (row["id"] for row in rows(connection, NAMED, **asked)))
    change.mark_relations((row["source"], row["type"], row["target"]) for row in rows(connection, STATED, **asked))


def mark_lost(connection: Connection, change: Change, lost: Sequence[Dirty]) -> None:
    """Mark what a late write of these may have harmed: a node that was deleted took its edges along."""
    entities = [one.key.id for one in lost if one.key.kind is Kind.ENTITY]
    change.mark(Kind.ENTITY, entities)
    change.mark(Kind.CHUNK, (row["id"] for row in rows(connection, EVIDENCE, entities=entities)))
    incident = {(row["source"], row["type"], row["target"]) for row in rows(connection, INCIDENT, entities=entities)}
    change.mark_relations(incident | {one.triple for one in lost if one.triple is not None})
    change.mark(Kind.CHUNK, (one.key.id for one in lost if one.key.kind is Kind.CHUNK))
    mark_whole(connection, change, {one.key.id for one in lost if one.key.kind in (Kind.CONTENT, Kind.DOCUMENT)})


def _by_collection(found: Iterable[dict[str, object]]) -> dict[UUID, set[Key]]:
    keys: dict[UUID, set[Key]] = {}
    for row in found:
        keys.setdefault(UUID(str(row["collection"])), set()).add(Key(Kind(str(row["kind"])), UUID(str(row["key"]))))
    return keys
