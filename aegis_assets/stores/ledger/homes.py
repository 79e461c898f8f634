"""The homes of names: the chunks that are about a document's title or a heading, the first one under each. Kept by difference.

`aegis_home` follows what is live: whatever places a document's chunks anew, publishes or removes it calls `follow_homes` in the
same transaction. Names are normalised as entities' are, so that both are one in a walk over the graph.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final
from uuid import UUID

from aegis_assets.pipeline.search.names import file_title, lead_of, title_names
from aegis_assets.stores.ledger.base import Connection, rows

# Cost of these four: what the documents' live chunks have.
LIVE_HEADINGS: Final = """
SELECT d.id AS document, d.collection_id AS collection, d.name, p.chunk_id AS chunk, p.headings
FROM aegis_document d JOIN aegis_placement p ON p.generation_id = d.live_id JOIN aegis_window w ON w.id = p.window_id
WHERE d.id = ANY(%(documents)s) ORDER BY d.id, w.ordinal, p.ordinal"""
HOMES: Final = """
SELECT collection_id AS collection, document_id AS document, name, chunk_id AS chunk FROM aegis_home
WHERE document_id = ANY(%(documents)s)"""
DROP: Final = """
DELETE FROM aegis_home h USING unnest(%(chunks)s::uuid[], %(names)s::text[]) AS w(chunk, name)
WHERE h.chunk_id = w.chunk AND h.name = w.name"""
ADD: Final = """
INSERT INTO aegis_home (collection_id, document_id, name, lead, chunk_id)
SELECT * FROM unnest(%(collections)s::uuid[], %(documents)s::uuid[], %(names)s::text[], %(leads)s::text[], %(chunks)s::uuid[])
ON CONFLICT DO NOTHING"""

Home = tuple[UUID, UUID, str, UUID]  # collection, document, name, chunk


def follow_homes(connection: Connection, documents: Collection[UUID]) -> None:
    """Let the documents' homes be those of their live chunks."""
    if not documents:
        return
    wanted = homes_of(rows(connection, LIVE_HEADINGS, documents=list(documents)))
    present = {
        (row["collection"], row["document"], row["name"], row["chunk"])
        for row in rows(connection, HOMES, documents=list(documents))
    }
    if gone := sorted(present - wanted):
        connection.execute(DROP, {"chunks": [home[3] for home in gone], "names": [home[2] for home in gone]})
    if fresh := sorted(wanted - present):
        add(connection, fresh)


def add(connection: Connection, homes: Iterable[Home]) -> None:
    """Write homes."""
    given = list(homes)
    connection.execute(
        ADD,
        {
            "collections": [home[0] for home in given],
            "documents": [home[1] for home in given],
            "names": [home[2] for home in given],
            "leads": [lead_of(home[2]) for home in given],
            "chunks": [home[3] for home in given],
        },
    )


def homes_of(placed: Iterable[dict[str, object]]) -> set[Home]:
    """Return the homes that documents give. placed: rows of LIVE_HEADINGS; a title's or heading's home is its first chunk.

    Headings of one text at several places, as "Examples" in a manual, have a home each.
    """
    homes: dict[tuple[object, ...], Home] = {}
    for row in placed:
        document, headings = row["document"], list(row["headings"])  # type: ignore[call-overload]
        paths = [((), str(row["name"])), *((tuple(headings[: depth + 1]), text) for depth, text in enumerate(headings))]
        for path, text in paths:
            for name in title_names(file_title(text) if not path else text):
                home = (row["collection"], document, name, row["chunk"])
                homes.setdefault((document, path, name), home)  # type: ignore[arg-type]
    return set(homes.values())
