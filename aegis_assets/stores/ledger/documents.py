"""Bytes under a name in a collection -> a document row; and what people ask of a document: retry, cancel, remove."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow

from aegis_assets.errors import BadInput, NotAllowed, NotFound
from aegis_assets.model import ids
from aegis_assets.model.document import AT_REST, State
from aegis_assets.model.launch import REMOVALS_PER_RUN
from aegis_assets.model.ledger import DocumentRow, Registered
from aegis_assets.model.partition import partition_key, partition_start
from aegis_assets.stores.ledger.base import Base, Connection, clean, one, reads, rows, writes
from aegis_assets.stores.ledger.collections import add_collection
from aegis_assets.stores.ledger.fence import fence as fence_run
from aegis_assets.stores.ledger.fence import lock_name, require_running
from aegis_assets.stores.ledger.naming import document_name, holdable, upload_key

COLUMNS: Final = """id, collection_id AS collection, name, source, source_key, state, message, blob, sha256, size, format,
    media_type, parser, extractor, embedder, live_id AS live, making_id AS making, run_id, cancel_requested, fraction,
    waiting_for, not_before, waiting_since, waits, created_at, updated_at"""
NOT_WAITING: Final = "waiting_for = '', not_before = NULL, waiting_since = NULL, waits = 0"
# Time in which a document was due and nobody tried it is no part of an outage.
TRIED_SINCE: Final = "waiting_since + greatest(now() - coalesce(not_before, now()), interval '0')"
DOCUMENT: Final = f"SELECT {COLUMNS} FROM aegis_document WHERE id = %(document)s"
DOCUMENTS: Final = f"SELECT {COLUMNS} FROM aegis_document WHERE id = ANY(%(documents)s)"
PARTITION_KEYS: Final = """
SELECT d.id, c.name AS collection, d.source_key AS name FROM aegis_document d JOIN aegis_collection c ON c.id = d.collection_id
WHERE d.id = ANY(%(documents)s)"""
# Cost: the documents whose ids begin with the digits given, which is hardly ever more than one.
PARTITIONED: Final = """
SELECT d.id, c.name AS collection, d.source_key AS name FROM unnest(%(firsts)s::uuid[], %(lasts)s::uuid[]) AS k(first, last)
JOIN aegis_document d ON d.id BETWEEN k.first AND k.last JOIN aegis_collection c ON c.id = d.collection_id"""

FOR_UPDATE: Final = """
SELECT id, name, state, run_id, cancel_requested, run_claimed_at, sha256, blob FROM aegis_document
WHERE id = %(document)s FOR NO KEY UPDATE"""
ALL_FOR_UPDATE: Final = """
SELECT id, name, state, run_id, cancel_requested, run_claimed_at, sha256, blob FROM aegis_document
WHERE id = ANY(%(documents)s) ORDER BY id FOR NO KEY UPDATE"""
SAME_BYTES: Final = """
SELECT id, name, state FROM aegis_document
WHERE collection_id = %(collection)s AND sha256 = %(sha256)s AND state <> 'removing' ORDER BY created_at, id LIMIT 1"""
ADD: Final = """
INSERT INTO aegis_document (id, collection_id, name, source, source_key, state, blob, sha256, size)
VALUES (%(id)s, %(collection)s, %(name)s, %(source)s, %(key)s, 'pending', %(blob)s, %(sha256)s, %(size)s)"""

# run_claimed_at of a running document means: newer bytes came while a run was at work, so another run is wanted after it. The
# fingerprint of the bytes alone cannot say that: a run that failed before it had a generation has none to compare with.
REVISE: Final = f"""
UPDATE aegis_document SET name = %(name)s, blob = %(blob)s, sha256 = %(sha256)s, size = %(size)s, {NOT_WAITING},
    run_claimed_at = CASE WHEN state IN ('running', 'queued') THEN coalesce(run_claimed_at, now()) END,
    message = CASE WHEN state IN ('running', 'queued') THEN message ELSE '' END,
    state = CASE WHEN state IN ('running', 'queued') THEN state ELSE 'pending' END
WHERE id = %(document)s RETURNING state"""
TO_PENDING: Final = f"""
UPDATE aegis_document SET state = 'pending', message = '', cancel_requested = false, run_claimed_at = NULL, {NOT_WAITING},
    blob = CASE WHEN blob = '' THEN %(blob)s ELSE blob END
WHERE id = %(document)s"""
# Costs: reads and writes the rows that are named. Locked by id, so that two callers cannot wait for each other.
ALL_TO_PENDING: Final = f"""
WITH chosen AS (
    SELECT id FROM aegis_document WHERE id = ANY(%(documents)s) AND state = ANY(%(states)s) ORDER BY id FOR NO KEY UPDATE
)
UPDATE aegis_document d SET state = 'pending', message = '', cancel_requested = false, run_claimed_at = NULL, {NOT_WAITING}
FROM chosen WHERE d.id = chosen.id RETURNING d.id"""
CANCEL_NOW: Final = f"""
UPDATE aegis_document SET state = 'cancelled', message = %(message)s, cancel_requested = false, {NOT_WAITING},
    run_claimed_at = CASE WHEN state = 'queued' THEN run_claimed_at END
WHERE id = %(document)s"""
CANCEL_SOON: Final = "UPDATE aegis_document SET cancel_requested = true WHERE id = %(document)s"
REMOVE: Final = """
UPDATE aegis_document SET state = 'removing', message = '', cancel_requested = false WHERE id = %(document)s"""
# Those that were never tried go before those that failed. Costs: reads and sorts all documents that are being removed.
TO_REMOVE: Final = """
SELECT id FROM aegis_document WHERE state = 'removing' AND (removal_due_at IS NULL OR removal_due_at <= now())
ORDER BY removal_attempts, updated_at, id LIMIT %(limit)s"""
POSTPONE_REMOVAL: Final = """
UPDATE aegis_document SET message = %(message)s, removal_attempts = removal_attempts + 1,
    removal_due_at = now() + make_interval(secs => least(%(most)s, %(first)s * 2 ^ least(removal_attempts, 16)))
WHERE id = %(document)s AND state = 'removing'"""
SET_CONTENT: Final = """
UPDATE aegis_document SET blob = %(blob)s, sha256 = %(sha256)s, size = %(size)s
WHERE id = %(document)s AND run_claimed_at IS NULL"""
# A run that parses nothing anew cannot tell the parser of a format that is parsed window by window: its generation knows.
SET_ENGINES: Final = """
WITH shown AS (
    UPDATE aegis_generation g SET parser = coalesce(nullif(%(parser)s::text, ''), g.parser), extractor = %(extractor)s
    FROM aegis_document d WHERE d.id = %(document)s AND g.id = coalesce(d.making_id, d.live_id) RETURNING g.parser
)
UPDATE aegis_document SET parser = coalesce((SELECT parser FROM shown), %(parser)s), embedder = %(embedder)s,
    extractor = %(extractor)s WHERE id = %(document)s"""

REMOVING: Final = "This document is being removed; try again when it is gone."
FIRST_REMOVAL_SECONDS: Final = 30.0  # until the second attempt; each pause is twice as long as the one before
MAX_REMOVAL_SECONDS: Final = 600.0


class Documents(Base):
    @reads
    def document(self, connection: Connection, document: UUID) -> DocumentRow:
        """Raises NotFound."""
        row = one(connection, DOCUMENT, document=document)
        if row is None:
            raise NotFound(f"There is no document {document}.")
        return DocumentRow.model_validate(row)

    @reads
    def documents(self, connection: Connection, documents: Sequence[UUID]) -> list[DocumentRow]:
        """Return documents in the order asked for; unknown ones are left out."""
        found = {row["id"]: row for row in rows(connection, DOCUMENTS, documents=list(documents))}
        return [DocumentRow.model_validate(found[document]) for document in documents if document in found]

    @reads
    def partition_keys(self, connection: Connection, documents: Sequence[UUID]) -> dict[UUID, str]:
        """Return the keys of the documents' partitions in Dagster; unknown documents are left out."""
        found = rows(connection, PARTITION_KEYS, documents=list(documents))
        return {row["id"]: partition_key(row["collection"], row["name"], row["id"]) for row in found}

    @reads
    def of_partitions(self, connection: Connection, keys: Sequence[str]) -> dict[str, UUID]:
        """Return the documents of these partitions. A key may be an id, of any document; other keys that none has are left out."""
        starts = {key: partition_start(key) for key in keys}
        found = {key: start for key, start in starts.items() if isinstance(start, UUID)}
        digits = sorted({start for start in starts.values() if isinstance(start, str)})
        firsts, lasts = ([UUID(start.ljust(32, filled)) for start in digits] for filled in "0f")
        for row in rows(connection, PARTITIONED, firsts=firsts, lasts=lasts) if digits else ():
            key = partition_key(row["collection"], row["name"], row["id"])
            if key in starts:
                found[key] = row["id"]
        return found

    @writes
    def register(
        self, connection: Connection, collection: str, source: str, key: str, name: str, blob: str, sha256: str, size: int
    ) -> Registered:
        """Make the row, or tell that it is there: see Registered. source: 'upload' or 'bucket'.

        The same bytes under the same name ask a document that failed or was cancelled to run again; one that succeeded is left
        alone. Raises BadInput for a name that no collection or object can have, NotAllowed while the document is being removed.
        """
        scope, made = add_collection(connection, collection)
        key = upload_key(key) if source == "upload" else key
        if not holdable(key):
            raise BadInput("The name of this object cannot be stored: it is too long, or not text.")
        values = {"name": document_name(name), "blob": blob, "sha256": sha256, "size": size}
        document = ids.document_id(scope, source, key)
        lock_name(connection, f"collection:{scope}")  # else two at once would not see each other's bytes
        old = one(connection, FOR_UPDATE, document=document)
        if old is not None:
            return _again(connection, document, old, values)
        twin = one(connection, SAME_BYTES, collection=scope, sha256=sha256)
        if twin is not None:
            state = State(twin["state"])
            return Registered(
                document=twin["id"], outcome="duplicate", duplicate_of=twin["id"], duplicate_name=twin["name"], state=state
            )
        connection.execute(ADD, {"id": document, "collection": scope, "source": source, "key": key, **values})
        return _registered(document, "new", None, State.PENDING).model_copy(update={"made_collection": made})

    @writes
    def request_retry(self, connection: Connection, document: UUID) -> State:
        """Set a document at rest, or one that waits for a server, to pending, to be tried now. Raises NotFound, and NotAllowed for
        one that is running or being removed."""
        state = _locked(connection, document)
        if state == State.RUNNING:
            raise NotAllowed("This document is being worked on; cancel it first, or wait.")
        if state == State.REMOVING:
            raise NotAllowed(REMOVING)
        if state == State.QUEUED:
            return state
        connection.execute(TO_PENDING, {"document": document, "blob": ""})
        return State.PENDING

    @writes
    def retry_all(self, connection: Connection, documents: Sequence[UUID], states: Collection[State]) -> list[UUID]:
        """Set those of the documents that are in one of these states at rest to pending, and return them."""
        values = {"documents": list(documents), "states": sorted(AT_REST.intersection(states))}
        return [row["id"] for row in rows(connection, ALL_TO_PENDING, **values)]

    @writes
    def request_cancel(self, connection: Connection, document: UUID) -> State:
        """Cancel a waiting document at once, a running one at its run's next check. Raises NotFound, NotAllowed."""
        state = _locked(connection, document)
        if state in (State.PENDING, State.QUEUED):
            connection.execute(CANCEL_NOW, {"document": document, "message": "Cancelled before it began."})
            return State.CANCELLED
        if state == State.RUNNING:
            connection.execute(CANCEL_SOON, {"document": document})
            return State.RUNNING
        raise NotAllowed(REMOVING if state == State.REMOVING else f"This document is {state}: there is nothing to cancel.")

    @writes
    def request_removal(self, connection: Connection, document: UUID) -> State:
        """Set a document to removing, which nothing leaves. Raises NotFound, and NotAllowed while it runs."""
        state = _locked(connection, document)
        if state == State.RUNNING:
            raise NotAllowed("This document is being worked on: cancel it first, then remove it.")
        if state != State.REMOVING:
            connection.execute(REMOVE, {"document": document})
        return State.REMOVING

    @reads
    def to_remove(self, connection: Connection, limit: int = REMOVALS_PER_RUN) -> list[UUID]:
        """Return documents whose removal is due now."""
        return [row["id"] for row in rows(connection, TO_REMOVE, limit=limit)]

    @writes
    def postpone_removal(self, connection: Connection, document: UUID, why: str) -> None:
        """Set a document aside whose removal failed, with the reason, and for longer each time. It stays what it is: removing."""
        values = {"document": document, "first": FIRST_REMOVAL_SECONDS, "most": MAX_REMOVAL_SECONDS}
        message = f"It could not be removed yet: {why} This is tried again by itself."
        connection.execute(POSTPONE_REMOVAL, {**values, "message": clean(message)[:2000]})

    @writes
    def set_content(self, connection: Connection, document: UUID, run_id: str, blob: str, sha256: str, size: int) -> DocumentRow:
        """Note what a run fetched of a watched object. If the sensor has seen a newer one meanwhile, only the answer has these
        bytes: the row keeps asking, and the document is pending again after this run."""
        fence_run(connection, document, run_id)
        values = {"blob": blob, "sha256": sha256, "size": size}
        connection.execute(SET_CONTENT, {"document": document, **values})
        row = one(connection, DOCUMENT, document=document)
        require_running(row, document, run_id)
        return DocumentRow.model_validate({**(row or {}), **values})

    @writes
    def set_engines(
        self, connection: Connection, document: UUID, run_id: str, *, parser: str, embedder: str, extractor: str
    ) -> None:
        """Note the engines, by names that people know."""
        fence_run(connection, document, run_id)
        names = {"parser": parser[:128], "embedder": embedder[:128], "extractor": extractor[:128]}
        connection.execute(SET_ENGINES, {"document": document, **names})


def _again(connection: Connection, document: UUID, old: DictRow, values: dict[str, object]) -> Registered:
    """Register the same bytes, or new ones, under a name that is known."""
    before = state = State(old["state"])
    if before == State.REMOVING:
        raise NotAllowed(REMOVING)
    if old["sha256"] != values["sha256"]:
        row = one(connection, REVISE, document=document, **values)
        state = State(row["state"]) if row else state
        replaced = old["blob"] if state == State.PENDING else ""
        return _registered(document, "revised", before, state).model_copy(update={"replaced": replaced})
    if state in AT_REST - {State.SUCCEEDED}:
        connection.execute(TO_PENDING, {"document": document, "blob": values["blob"]})
        state = State.PENDING
    return _registered(document, "unchanged", before, state)


def _registered(document: UUID, outcome: str, before: State | None, state: State) -> Registered:
    made_pending = state == State.PENDING and before != State.PENDING
    told = {"document": document, "outcome": outcome, "state": state, "made_pending": made_pending}
    return Registered.model_validate({**told, "duplicate_of": None, "duplicate_name": None})


def _locked(connection: Connection, document: UUID) -> State:
    row = one(connection, FOR_UPDATE, document=document)
    if row is None:
        raise NotFound(f"There is no document {document}.")
    return State(row["state"])
