"""The contract of the graph's port on every real server that there is: ArcadeDB and Neo4j."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from aegis_assets.model.graph import SENTENCES, GraphDocument, GraphRelation
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.graph import BoltGraph
from aegis_assets.stores.graph_rows import keyed
from tests.stores.graph_build import DOCUMENT, SECOND, chunk, entity, everything, ids, relation, triples, write_chunks


def chain(bolt: Bolt, collection: UUID) -> list[tuple[int, int]]:
    rows = bolt.query(
        "MATCH (a:Chunk)-[:NEXT_CHUNK]->(b:Chunk) WHERE a.collection = $c RETURN a.ordinal AS a, b.ordinal AS b", c=str(collection)
    )
    return sorted((row["a"], row["b"]) for row in rows)


def test_a_document_written_twice_is_there_once_with_its_chain_in_order(graph: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    chunks = [chunk(number) for number in range(600)]
    for _ in range(2):
        graph.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a.md", generation=1), iter(chunks))])

    assert everything(bolt, collection) == {
        "Document": 1, "Chunk": 600, "Entity": 0, "FROM_DOCUMENT": 600, "NEXT_CHUNK": 599, "FROM_CHUNK": 0, "RELATES_TO": 0,
    }  # fmt: skip
    assert chain(bolt, collection) == [(n, n + 1) for n in range(599)]
    assert graph.chunk_ids(collection, DOCUMENT) == {one.id for one in chunks}
    stored = bolt.query(
        "MATCH (c:Chunk {key: $key}) RETURN c.text AS text, c.headings AS headings, c.pages AS pages",
        key=keyed(collection, chunks[7].id),
    )
    assert stored == [{"text": chunks[7].text, "headings": ["One", "Two"], "pages": [1, 2]}]


def test_a_new_order_replaces_the_chain_and_old_chunks_stay_out_of_it(graph: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    write_chunks(graph, collection, range(5))
    renumbered = [chunk(n).model_copy(update={"ordinal": place}) for place, n in enumerate((3, 0, 4))]

    graph.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a.md", generation=2), renumbered)])

    rows = bolt.query(
        "MATCH (a:Chunk)-[:NEXT_CHUNK]->(b:Chunk) WHERE a.collection = $c RETURN a.id AS a, b.id AS b", c=str(collection)
    )
    assert {(UUID(row["a"]), UUID(row["b"])) for row in rows} == {(ids(3)[0], ids(0)[0]), (ids(0)[0], ids(4)[0])}
    assert everything(bolt, collection)["Chunk"] == 5
    graph.delete_chunks(collection, ids(1, 2))
    assert graph.chunk_ids(collection, DOCUMENT) == set(ids(0, 3, 4))


def test_only_chunks_that_moved_are_written_and_never_their_text(graph: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    write_chunks(graph, collection, range(3))
    bolt.run(("MATCH (c:Chunk) WHERE c.collection = $c SET c.text = 'marked', c.seen = true", {"c": str(collection)}))
    bolt.run(("MATCH (:Chunk {key: $k})-[r:FROM_DOCUMENT]->() DELETE r", {"k": keyed(collection, ids(2)[0])}))
    moved = chunk(1).model_copy(update={"ordinal": 7, "headings": ("New",), "pages": (9,)})
    name = GraphDocument(id=DOCUMENT, name="b.md", generation=1)

    graph.write_documents(collection, [(name, [chunk(0), moved, chunk(2), chunk(3)])])

    rows = bolt.query(
        "MATCH (c:Chunk)-[:FROM_DOCUMENT]->(d:Document {name: 'b.md'}) WHERE c.collection = $c"
        " RETURN c.ordinal AS ordinal, c.text AS text, c.headings AS headings, c.pages AS pages ORDER BY ordinal",
        c=str(collection),
    )
    assert [(row["ordinal"], row["text"]) for row in rows] == [(0, "marked"), (2, "marked"), (3, chunk(3).text), (7, "marked")]
    assert (rows[3]["headings"], rows[3]["pages"]) == (["New"], [9])


def test_a_chunk_has_exactly_the_entities_of_its_last_writing(graph: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    write_chunks(graph, collection, range(300))
    hub, leaf = entity("hub", 300), entity("leaf")
    graph.write_entities(collection, [hub, leaf])
    graph.write_evidence(collection, {one: [hub.id] for one in ids(*range(300))})

    for _ in range(2):
        graph.write_evidence(collection, {ids(0)[0]: [leaf.id, hub.id, uuid4()], ids(1)[0]: [], uuid4(): [hub.id]})

    assert everything(bolt, collection)["FROM_CHUNK"] == 300
    rows = bolt.query(
        "MATCH (e:Entity {collection: $c})-[:FROM_CHUNK]->(k:Chunk) WHERE k.ordinal < 3 RETURN e.name AS e, k.ordinal AS k",
        c=str(collection),
    )
    assert {(row["e"], row["k"]) for row in rows} == {("hub", 0), ("leaf", 0), ("hub", 2)}
    assert graph.entity_ids(collection, DOCUMENT) == {hub.id, leaf.id}


def test_an_entity_says_how_many_chunks_mention_it(graph: BoltGraph, collection: UUID) -> None:
    graph.write_entities(collection, [entity("a", 3), entity("b", 1)])
    graph.write_entities(collection, [entity("a", 2)])
    assert graph.entities_held(collection, [entity(name).id for name in "abc"]) == {entity("a").id: 2, entity("b").id: 1}


def test_two_types_between_one_pair_are_two_edges_and_a_rewrite_changes_one_in_place(
    graph: BoltGraph, bolt: Bolt, collection: UUID
) -> None:
    a, b = entity("a"), entity("b")
    graph.write_entities(collection, [a, b])
    uses, replaces, back = relation(a, "uses", b), relation(a, "replaces", b), relation(b, "uses", a)
    for _ in range(2):
        graph.write_relations(collection, [uses, replaces, back])
    assert everything(bolt, collection)["RELATES_TO"] == 3

    stronger = uses.model_copy(update={"confidence": 0.9, "chunks": 12, "documents": 4, "sentences": ("Better.",)})
    absent = relation(a, "uses", entity("absent"))
    graph.write_relations(collection, [stronger, absent])

    assert everything(bolt, collection)["RELATES_TO"] == 3
    stored = bolt.query(
        "MATCH (s:Entity)-[r:RELATES_TO]->(t:Entity) WHERE r.key = $key RETURN s.name AS s, r.type AS type, t.name AS t,"
        " r.confidence AS confidence, r.sentences AS sentences, r.chunks AS chunks, r.documents AS documents",
        key=keyed(collection, uses.id),
    )
    assert stored == [
        {"s": "a", "type": "uses", "t": "b", "confidence": 0.9, "sentences": ["Better."], "chunks": 12, "documents": 4}
    ]
    held = graph.relations_held(collection, triples(uses, replaces, back, absent))
    assert held == {uses.id: (12, 4), replaces.id: (1, 1), back.id: (1, 1)}
    assert graph.relation_triples_of(collection, [b.id]) == set(triples(uses, replaces, back).values())


def test_a_relation_has_at_most_five_sentences() -> None:
    too_many = tuple(str(number) for number in range(SENTENCES + 1))
    with pytest.raises(ValidationError):
        GraphRelation.model_validate(relation(entity("a"), "uses", entity("b")).model_dump() | {"sentences": too_many})


def test_what_an_earlier_layout_wrote_counts_as_nothing_and_is_overwritten(graph: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    a, b = entity("a", 2), entity("b")
    uses = relation(a, "uses", b, chunks=2, documents=1)
    old = {
        "id": str(uses.id), "key": keyed(collection, uses.id), "collection": str(collection), "type": "uses", "confidence": 0.5,
        "evidence": "a uses.", "chunks": [str(one) for one in ids(0, 1)], "documents": [str(DOCUMENT)],
    }  # fmt: skip
    ends = [{"key": keyed(collection, one.id), "id": str(one.id), "collection": str(collection)} for one in (a, b)]
    bolt.run(("UNWIND $ends AS end CREATE (e:Entity) SET e += end", {"ends": ends}))
    bolt.run(
        (
            "MATCH (s:Entity {key: $s}) MATCH (t:Entity {key: $t}) CREATE (s)-[r:RELATES_TO]->(t) SET r += $old",
            {"s": ends[0]["key"], "t": ends[1]["key"], "old": old},
        )
    )
    assert graph.entities_held(collection, [a.id]) == {a.id: 0}
    assert graph.relations_held(collection, triples(uses)) == {uses.id: (0, 0)}

    graph.write_entities(collection, [a, b])
    graph.write_relations(collection, [uses])

    assert graph.entities_held(collection, [a.id]) == {a.id: 2}
    assert graph.relations_held(collection, triples(uses)) == {uses.id: (2, 1)}
    rows = bolt.query("MATCH ()-[r:RELATES_TO]->() WHERE r.key = $key RETURN r.evidence AS evidence", key=old["key"])
    assert rows == [{"evidence": None}]


def test_entities_are_counted_by_document(graph: BoltGraph, collection: UUID) -> None:
    for document in (DOCUMENT, SECOND):
        write_chunks(graph, collection, range(3), document)
    shared, only = entity("shared", 3), entity("only")
    graph.write_entities(collection, [shared, only])
    graph.write_evidence(
        collection,
        {ids(0)[0]: [shared.id], ids(1)[0]: [shared.id, only.id], ids(0, document=SECOND)[0]: [shared.id]},
    )

    third = UUID(int=23)
    assert graph.entity_counts(collection, [DOCUMENT, SECOND, third]) == {DOCUMENT: 2, SECOND: 1, third: 0}
    assert graph.chunks_of(collection, [DOCUMENT, SECOND]) == {one: set(ids(0, 1, 2, document=one)) for one in (DOCUMENT, SECOND)}


def test_pages_give_everything_once_and_in_order(graph: BoltGraph, collection: UUID) -> None:
    other = uuid4()
    entities = [entity(str(number)) for number in range(700)]
    for part in (entities[350:], entities[:350]):
        graph.write_entities(collection, part)
        graph.write_entities(other, part[:5])
    graph.delete_entities(collection, [one.id for one in entities[:10]])
    documents = [uuid4() for _ in range(25)]
    for document in documents:
        write_chunks(graph, collection, [], document)

    for page, expected in ((graph.entity_page, [one.id for one in entities[10:]]), (graph.document_page, documents)):
        collected: list[UUID] = []
        while ids_ := page(collection, collected[-1] if collected else None, 9):
            collected += ids_
        assert collected == sorted(expected)


def test_deleting_leaves_nothing_behind_and_twice_is_once(graph: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    write_chunks(graph, collection, range(300))
    a, b, c = entity("a", 300), entity("b"), entity("c")
    graph.write_entities(collection, [a, b, c])
    graph.write_evidence(collection, {one: [a.id] for one in ids(*range(300))} | {ids(0)[0]: [a.id, b.id]})
    graph.write_relations(collection, [relation(a, "uses", b), relation(c, "uses", a), relation(b, "uses", c)])
    for _ in range(2):
        graph.delete_relations(collection, triples(relation(b, "uses", c)))
        assert everything(bolt, collection)["RELATES_TO"] == 2
    for _ in range(2):
        graph.delete_document(collection, DOCUMENT)
        assert everything(bolt, collection)["Entity"] == 3
    for _ in range(2):
        graph.delete_entities(collection, [a.id, b.id, c.id])
        assert set(everything(bolt, collection).values()) == {0}


def test_the_same_ids_in_two_collections_do_not_touch(graph: BoltGraph, bolt: Bolt) -> None:
    one, other = uuid4(), uuid4()
    for collection in (one, other):
        write_chunks(graph, collection, range(2))
        graph.write_entities(collection, [entity("a"), entity("b")])
        graph.write_evidence(collection, {ids(0)[0]: [entity("a").id], ids(1)[0]: [entity("b").id]})
        graph.write_relations(collection, [relation(entity("a"), "uses", entity("b"))])
    before = everything(bolt, other)

    graph.delete_document(one, DOCUMENT)
    graph.delete_relations(one, triples(relation(entity("a"), "uses", entity("b"))))
    graph.delete_entities(one, [entity("a").id, entity("b").id])

    assert set(everything(bolt, one).values()) == {0}
    assert everything(bolt, other) == before
