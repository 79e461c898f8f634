"""Documents of marked texts (tests.marked), taken through the ledger as a run takes them, without engines and other stores."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from aegis_assets.model.document import State
from aegis_assets.model.ledger import Extracted
from aegis_assets.stores.ledger import Ledger
from tests.marked import marked_extraction
from tests.stores.ledger.build import EMBED, EXTRACT, dead, enriched, planned, register, sha


def prepare(ledger: Ledger, name: str, texts: Sequence[str], run_id: str, order: Sequence[int] = ()) -> UUID:
    """Do everything before resolve. order: in which the chunks are extracted."""
    content = f"{name}{texts!r}"
    document = register(ledger, name, content).document
    ledger.begin(document, run_id, dead)
    generation = planned(ledger, document, sha(content), content=content, run_id=run_id)
    (window,) = ledger.windows(generation.id)
    chunks = enriched(ledger, window.id, texts, run_id)
    ledger.save_embedded(document, run_id, chunks, EMBED, 0.1)
    for number in order or range(len(texts)):
        found = Extracted(chunks[number], marked_extraction(texts[number]), seconds=0.1)
        ledger.save_extractions(document, run_id, EXTRACT, [found])
    return document


def ingest(ledger: Ledger, name: str, texts: Sequence[str], run_id: str, order: Sequence[int] = ()) -> UUID:
    """Do everything up to the end of publish's part in the ledger."""
    document = prepare(ledger, name, texts, run_id, order)
    ledger.join_names(document, run_id)
    ledger.switch([document], run_id)
    ledger.finish(document, run_id, State.SUCCEEDED, "")
    return document


def remove(ledger: Ledger, document: UUID) -> None:
    """Remove the document from the ledger."""
    ledger.request_removal(document)
    ledger.start_removal(document)
    ledger.erase(document)


def held(ledger: Ledger) -> dict[str, tuple[str, tuple[str, ...], int]]:
    """Return what the graph has to hold: name -> type, aliases, chunks."""
    with ledger.connection() as connection:
        ids = [row["id"] for row in connection.execute("SELECT id FROM aegis_graph_entity")]
    return {entity.name: (entity.type, entity.aliases, entity.chunks) for entity in ledger.graph_facts().entities(ids)}


def relations(ledger: Ledger) -> set[tuple[str, str, str]]:
    """Return the relations that the graph has to hold."""
    with ledger.connection() as connection:
        found = connection.execute(
            "SELECT s.name AS s, g.type, t.name AS t FROM aegis_graph_relation g"
            " JOIN aegis_entity s ON s.id = g.source_id JOIN aegis_entity t ON t.id = g.target_id"
        )
        return {(row["s"], row["type"], row["t"]) for row in found}
