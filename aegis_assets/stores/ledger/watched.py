"""A listing of a watched bucket, or of a part of it -> documents made pending or set to be removed.

What was seen lies in `aegis_bucket_object`; the difference to the listing is the news. All of it is one transaction of a few
statements, however long the listing: a restart in the middle has seen nothing of it yet.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.model import ids
from aegis_assets.model.watched import LastListing, SeenObject, SyncResult
from aegis_assets.stores.ledger.base import Base, Connection, one, reads, rows, writes
from aegis_assets.stores.ledger.collections import add_collection
from aegis_assets.stores.ledger.documents import NOT_WAITING
from aegis_assets.stores.ledger.fence import lock_name
from aegis_assets.stores.ledger.naming import document_name, holdable

# Grows with: the listing.
CHANGED: Final = """
SELECT seen.key, seen.etag, seen.size
FROM unnest(%(keys)s::text[], %(etags)s::text[], %(sizes)s::bigint[]) AS seen(key, etag, size)
LEFT JOIN aegis_bucket_object o ON o.bucket = %(bucket)s AND o.key = seen.key
WHERE o.id IS NULL OR o.etag <> seen.etag
ORDER BY seen.key"""
# Grows with: the known keys of the bucket, for a listing that has all of them.
VANISHED: Final = """
SELECT o.id, o.document_id FROM aegis_bucket_object o
WHERE o.bucket = %(bucket)s AND NOT EXISTS (SELECT 1 FROM unnest(%(keys)s::text[]) AS seen(key) WHERE seen.key = o.key)
ORDER BY o.document_id"""
# Grows with: the keys.
GONE: Final = """
SELECT id, document_id FROM aegis_bucket_object WHERE bucket = %(bucket)s AND key = ANY(%(keys)s) ORDER BY document_id"""

# Grows with: what is new or changed. A row whose document is on its way out is left alone, and its object not noted as seen: the
# next full listing brings it again.
UPSERT: Final = f"""
INSERT INTO aegis_document AS d (id, collection_id, name, source, source_key, state, size)
SELECT fresh.id, %(collection)s, fresh.name, 'bucket', fresh.key, 'pending', fresh.size
FROM unnest(%(ids)s::uuid[], %(names)s::text[], %(keys)s::text[], %(sizes)s::bigint[]) AS fresh(id, name, key, size)
ORDER BY fresh.id
ON CONFLICT (id) DO UPDATE SET size = EXCLUDED.size, blob = '', sha256 = '', {NOT_WAITING},
    run_claimed_at = CASE WHEN d.state IN ('running', 'queued') THEN coalesce(d.run_claimed_at, now()) END,
    message = CASE WHEN d.state IN ('running', 'queued') THEN d.message ELSE '' END,
    state = CASE WHEN d.state IN ('running', 'queued') THEN d.state ELSE 'pending' END
WHERE d.state <> 'removing'
RETURNING d.id, d.xmax = 0 AS made"""
# Grows with: the same.
NOTE: Final = """
INSERT INTO aegis_bucket_object AS o (bucket, key, etag, size, document_id)
SELECT %(bucket)s, seen.key, seen.etag, seen.size, seen.document
FROM unnest(%(keys)s::text[], %(etags)s::text[], %(sizes)s::bigint[], %(ids)s::uuid[]) AS seen(key, etag, size, document)
ON CONFLICT (bucket, key) DO UPDATE SET etag = EXCLUDED.etag, size = EXCLUDED.size, document_id = EXCLUDED.document_id"""

# Grows with: what has gone, as the three below.
REMOVE: Final = """
UPDATE aegis_document SET state = 'removing', message = 'Its object is gone from the watched bucket.', cancel_requested = false
WHERE id = ANY(%(documents)s) AND state NOT IN ('removing', 'running') RETURNING id"""
CANCEL: Final = "UPDATE aegis_document SET cancel_requested = true WHERE id = ANY(%(documents)s) AND state = 'running' RETURNING id"
# An object that vanished under a running document stays noted, so that the next listing removes the cancelled document. Without
# its etag it counts as changed should it come back before that.
BLANK: Final = "UPDATE aegis_bucket_object SET etag = '' WHERE bucket = %(bucket)s AND document_id = ANY(%(documents)s)"
FORGET: Final = "DELETE FROM aegis_bucket_object WHERE id = ANY(%(objects)s)"

# Grows with: the known keys of the bucket; asked only where it seems to be empty.
KNOWN: Final = "SELECT count(*) AS n FROM aegis_bucket_object WHERE bucket = %(bucket)s AND document_id IS NOT NULL"

# Grows with: the limit, and with the keys of other buckets.
KNOWN_KEYS: Final = """
SELECT id, key FROM aegis_bucket_object WHERE bucket = %(bucket)s AND id > %(after)s ORDER BY id LIMIT %(limit)s"""

# Cost of these two: nothing.
NOTE_LISTING: Final = """
INSERT INTO aegis_listing (bucket, completed_at, every_seconds) VALUES (%(bucket)s, now(), %(every)s)
ON CONFLICT (bucket) DO UPDATE SET completed_at = EXCLUDED.completed_at, every_seconds = EXCLUDED.every_seconds"""
LAST_LISTING: Final = """
SELECT completed_at, every_seconds, extract(epoch FROM now() - completed_at)::float AS age_seconds
FROM aegis_listing WHERE bucket = %(bucket)s"""

KNOWN_AT_ONCE: Final = 10_000
ETAG_LENGTH: Final = 255
SUDDENLY: Final = 10  # documents; fewer may well have been cleared away by a person
EMPTIED: Final = (
    "The watched bucket is empty, and {n} documents came from it: is it mounted? Nothing was removed. If they are to go, remove "
    "them in the admin."
)


class Watched(Base):
    @writes
    def sync_objects(
        self,
        connection: Connection,
        bucket: str,
        collection: str,
        objects: Sequence[SeenObject],
        complete: bool,
        gone: Sequence[str] = (),
    ) -> SyncResult:
        """complete: the listing holds every object there is, so what is not in it is gone. gone: keys that are so in any case.
        Twice the same listing does nothing.

        A document that is running when its object vanishes is cancelled, and removed by a later call. One that a person removed
        comes back only when its object changes. An empty listing of a bucket that many documents came from is not believed: that is
        what a disk that is not mounted looks like.
        """
        scope, _ = add_collection(connection, collection)
        lock_name(connection, f"bucket:{bucket}")
        kept = {seen.key: seen for seen in objects if holdable(seen.key)}
        refused = tuple(seen.key.encode("utf-8", "replace").decode()[:200] for seen in objects if not holdable(seen.key))
        changed = rows(connection, CHANGED, bucket=bucket, **_columns(list(kept.values())))
        new, revised = _upsert(connection, bucket, scope, changed)
        emptied = complete and not objects
        known = (one(connection, KNOWN, bucket=bucket) or {"n": 0})["n"] if emptied else 0
        if known >= SUDDENLY:
            return SyncResult(new=(), changed=(), deleted=(), problem=EMPTIED.replace("{n}", str(known)))
        vanished = rows(connection, GONE, bucket=bucket, keys=[key for key in gone if holdable(key)]) if gone else []
        if complete:
            vanished += rows(connection, VANISHED, bucket=bucket, keys=list(kept))
        deleted, running = _vanished(connection, bucket, vanished)
        again = running or len(new) + len(revised) < len(changed)
        return SyncResult(new=tuple(new), changed=tuple(revised), deleted=tuple(deleted), refused=refused, again=again)

    def unlisted(self, bucket: str, seen: Container[str]) -> list[str]:
        """Return known keys that are not among those seen; a page of the known ones is in memory at a time."""
        gone, last = list[str](), 0
        while page := self._known(bucket, last):
            gone += [row["key"] for row in page if row["key"] not in seen]
            last = page[-1]["id"]
        return gone

    @writes
    def note_listing(self, connection: Connection, bucket: str, every_seconds: float) -> None:
        """Note that the bucket was listed completely just now, and within which time that is expected again."""
        connection.execute(NOTE_LISTING, {"bucket": bucket, "every": every_seconds})

    @reads
    def last_listing(self, connection: Connection, bucket: str) -> LastListing | None:
        row = one(connection, LAST_LISTING, bucket=bucket)
        return None if row is None else LastListing.model_validate(row)

    @reads
    def _known(self, connection: Connection, bucket: str, after: int) -> list[DictRow]:
        return rows(connection, KNOWN_KEYS, bucket=bucket, after=after, limit=KNOWN_AT_ONCE)


def _columns(objects: Sequence[SeenObject]) -> dict[str, list[str] | list[int]]:
    return {
        "keys": [seen.key for seen in objects],
        "etags": [seen.etag[:ETAG_LENGTH] for seen in objects],
        "sizes": [seen.size for seen in objects],
    }


def _upsert(connection: Connection, bucket: str, scope: UUID, changed: Sequence[DictRow]) -> tuple[list[UUID], list[UUID]]:
    if not changed:
        return [], []
    keyed = {ids.document_id(scope, "bucket", row["key"]): row for row in changed}
    values = {"ids": list(keyed), "keys": [row["key"] for row in keyed.values()], "sizes": [row["size"] for row in keyed.values()]}
    names = [document_name(row["key"]) for row in keyed.values()]
    touched = {row["id"]: row["made"] for row in rows(connection, UPSERT, collection=scope, names=names, **values)}
    noted = [(document, row) for document, row in keyed.items() if document in touched]
    connection.execute(
        NOTE,
        {
            "bucket": bucket,
            "ids": [document for document, _ in noted],
            "keys": [row["key"] for _, row in noted],
            "etags": [row["etag"] for _, row in noted],
            "sizes": [row["size"] for _, row in noted],
        },
    )
    return [d for d, _ in noted if touched[d]], [d for d, _ in noted if not touched[d]]


def _vanished(connection: Connection, bucket: str, gone: Sequence[DictRow]) -> tuple[list[UUID], bool]:
    """Documents that are set to be removed, and whether others have to be cancelled first."""
    if not gone:
        return [], False
    documents = [row["document_id"] for row in gone if row["document_id"] is not None]
    removed = [row["id"] for row in rows(connection, REMOVE, documents=documents)]
    running = {row["id"] for row in rows(connection, CANCEL, documents=documents)}
    connection.execute(BLANK, {"bucket": bucket, "documents": list(running)})
    connection.execute(FORGET, {"objects": [row["id"] for row in gone if row["document_id"] not in running]})
    return removed, bool(running)
