"""The contents of a document: which generation a run works on, and how it is cut into windows.

A live generation that was planned otherwise (other window size, parser or chunker) is left as it is and a new one is made of the
same bytes: cutting the live one anew would empty the search until the run ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from aegis_assets.errors import NotFound, Superseded
from aegis_assets.model import ids
from aegis_assets.model.ledger import GenerationRow, ParseSource
from aegis_assets.model.parsing import Inspection, WindowPlan
from aegis_assets.stores.ledger.base import Base, Connection, clean, clean_json, many, one, reads, rows, writes
from aegis_assets.stores.ledger.evidence import placing
from aegis_assets.stores.ledger.fence import fence

COLUMNS: Final = (
    """g.id, g.document_id AS document, g.number, g.state, g.sha256, g.blob, g.size, g.inspection, g.plan_fingerprint, g.pages"""
)
GENERATION: Final = f"SELECT {COLUMNS} FROM aegis_generation g WHERE g.id = %(generation)s"
# Without the parts, of which a long document has thousands: every window asks.
PARSE_SOURCE: Final = """
SELECT g.blob, g.inspection ->> 'format' AS format, g.inspection ->> 'unit' AS unit, g.inspection ->> 'whole' AS whole,
    jsonb_array_length(g.inspection -> 'parts') AS length, g.inspection -> 'facts' AS facts
FROM aegis_generation g WHERE g.id = %(generation)s AND g.inspection IS NOT NULL"""
OF_DOCUMENT: Final = f"""
SELECT {COLUMNS}, g.id = d.making_id AS is_making, g.id = d.live_id AS is_live
FROM aegis_document d JOIN aegis_generation g ON g.id IN (d.making_id, d.live_id) WHERE d.id = %(document)s"""
ADD: Final = """
INSERT INTO aegis_generation (document_id, number, sha256, blob, size, state)
SELECT %(document)s, coalesce(max(number), 0) + 1, %(sha256)s, %(blob)s, %(size)s, 'making'
FROM aegis_generation WHERE document_id = %(document)s
RETURNING id"""
SET_MAKING: Final = "UPDATE aegis_document SET making_id = %(generation)s WHERE id = %(document)s"
DROP: Final = "UPDATE aegis_generation SET state = 'superseded' WHERE id = %(generation)s"

# Django's foreign keys do not cascade in the database.
DROP_PLACEMENTS: Final = "DELETE FROM aegis_placement WHERE window_id = ANY(%(windows)s)"
DROP_FAILURES: Final = "DELETE FROM aegis_failure WHERE window_id = ANY(%(windows)s)"
DROP_WINDOWS: Final = "DELETE FROM aegis_window WHERE id = ANY(%(windows)s)"
WINDOWS: Final = """
SELECT id, ordinal, first, last, key FROM aegis_window WHERE generation_id = %(generation)s ORDER BY ordinal"""
ADD_WINDOW: Final = """
INSERT INTO aegis_window (id, generation_id, document_id, ordinal, first, last, key, headings)
VALUES (%(id)s, %(generation)s, %(document)s, %(ordinal)s, %(first)s, %(last)s, %(key)s, %(headings)s)
ON CONFLICT (id) DO UPDATE SET headings = EXCLUDED.headings"""
SAVE_INSPECTION: Final = """
UPDATE aegis_generation SET inspection = %(inspection)s, plan_fingerprint = %(fingerprint)s, pages = %(pages)s
WHERE id = %(generation)s"""
SAVE_FORMAT: Final = """
UPDATE aegis_document SET format = %(format)s, media_type = %(media_type)s, parser = %(parser)s WHERE id = %(document)s"""


class Generations(Base):
    @reads
    def parse_source(self, connection: Connection, generation: int) -> ParseSource:
        """Return what the generation's windows are parsed from. Raises NotFound before it is planned."""
        row = one(connection, PARSE_SOURCE, generation=generation)
        if row is None:
            raise NotFound(f"There is no generation {generation}.")
        return ParseSource.model_validate(row)

    @writes
    def generation_for(
        self,
        connection: Connection,
        document: UUID,
        run_id: str,
        sha256: str,
        blob: str,
        size: int,
        plan_fingerprint: str,
    ) -> GenerationRow:
        """The one in the making or the live one, if it is of these bytes; else a new one in the making, the older one dropped.

        plan_fingerprint: a live generation planned under another is not taken up again.
        """
        fence(connection, document, run_id, alone=True)
        found = rows(connection, OF_DOCUMENT, document=document)
        making = next((row for row in found if row["is_making"]), None)
        live = next((row for row in found if row["is_live"]), None)
        if making is not None and making["sha256"] == sha256:
            return _row(making)
        if making is not None:
            drop_windows(connection, [row["id"] for row in rows(connection, WINDOWS, generation=making["id"])])
            connection.execute(DROP, {"generation": making["id"]})
            connection.execute(SET_MAKING, {"document": document, "generation": None})
        if live is not None and live["sha256"] == sha256 and plan_fingerprint == live["plan_fingerprint"]:
            return _row(live)
        added = one(connection, ADD, document=document, sha256=sha256, blob=blob, size=size)
        assert added is not None
        connection.execute(SET_MAKING, {"document": document, "generation": added["id"]})
        return _generation(connection, added["id"])

    @writes
    def save_plan(
        self,
        connection: Connection,
        generation: int,
        run_id: str,
        inspection: Inspection,
        fingerprint: str,
        plans: Sequence[WindowPlan],
    ) -> GenerationRow:
        """What plan learnt, and the cut. A window that is cut as before keeps its row and results; others are replaced."""
        row = _generation(connection, generation)
        fence(connection, row.document, run_id, alone=True)
        if row.state == "superseded":
            raise Superseded("Newer content has taken the place of this generation.")
        save_inspection(connection, row, inspection, fingerprint)
        save_windows(connection, row, plans)
        return _generation(connection, generation)


def save_inspection(connection: Connection, row: GenerationRow, inspection: Inspection, fingerprint: str) -> None:
    document = clean_json(inspection.model_dump(mode="python"))
    connection.execute(
        SAVE_INSPECTION,
        {"generation": row.id, "inspection": Jsonb(document), "fingerprint": fingerprint, "pages": inspection.pages},
    )
    connection.execute(
        SAVE_FORMAT,
        {
            "document": row.document,
            "format": clean(inspection.format)[:32],
            "media_type": clean(inspection.media_type)[:128],
            "parser": clean(inspection.parser)[:128],
        },
    )


def save_windows(connection: Connection, row: GenerationRow, plans: Sequence[WindowPlan]) -> None:
    """Idempotent."""
    wanted = {plan.ordinal: (plan.first, plan.last, plan.key) for plan in plans}
    gone = [
        old["id"]
        for old in rows(connection, WINDOWS, generation=row.id)
        if wanted.get(old["ordinal"]) != (old["first"], old["last"], old["key"])
    ]
    if gone:
        with placing(connection, row.document, row.id):
            drop_windows(connection, gone)
    many(connection, ADD_WINDOW, [_window(row, plan) for plan in plans])


def drop_windows(connection: Connection, windows: Sequence[UUID]) -> None:
    """With their placements and failures. Chunks that stand nowhere any more go when the generation is published."""
    if windows:
        for statement in (DROP_PLACEMENTS, DROP_FAILURES, DROP_WINDOWS):
            connection.execute(statement, {"windows": list(windows)})


def _window(row: GenerationRow, plan: WindowPlan) -> dict[str, object]:
    headings = None
    if plan.headings is not None:
        headings = Jsonb(clean_json([heading.model_dump() for heading in plan.headings]))
    return {
        "id": ids.window_id(row.document, row.number, plan.ordinal),
        "generation": row.id,
        "document": row.document,
        "ordinal": plan.ordinal,
        "first": plan.first,
        "last": plan.last,
        "key": plan.key,
        "headings": headings,
    }


def _generation(connection: Connection, generation: int) -> GenerationRow:
    row = one(connection, GENERATION, generation=generation)
    if row is None:
        raise NotFound(f"There is no generation {generation}.")
    return _row(row)


def _row(row: DictRow) -> GenerationRow:
    return GenerationRow.model_validate({key: value for key, value in row.items() if not key.startswith("is_")})
