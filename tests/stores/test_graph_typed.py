"""AEGIS_NEO4J_TYPED on a real Neo4j: types as labels and relationship types, whatever they are called."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import UUID, uuid4, uuid5

import pytest
from neo4j import GraphDatabase

from aegis_assets.errors import Misconfigured
from aegis_assets.model.graph import GraphDocument, GraphEntity, GraphRelation
from aegis_assets.model.ids import relation_id
from aegis_assets.stores import cypher
from aegis_assets.stores.bolt import Bolt
from aegis_assets.stores.graph import BoltGraph
from aegis_assets.stores.graph_names import OWN_LABELS, OWN_RELATIONSHIP_TYPES, label_of, relationship_type_of
from tests.conftest import GraphServer
from tests.stores.graph_build import DOCUMENT, chunk, ids, triples

neo4j = pytest.mark.neo4j
HOSTILE = (
    "`) DETACH DELETE n //", "a`b``c", "\\u0060) RETURN 1", "Größe ☃ 😀", "عربي", "x" * 300, "two words", "-", "1st", "$param",
    "Document", "Chunk", "Entity", "LiveChunk", "FROM_CHUNK", "NEXT_CHUNK", "RELATES_TO", "__KGBuilder__", "nul\0l",
)  # fmt: skip
NAMELESS = ("", "  ", "\0")


def graph_on(server: GraphServer, *, typed: bool) -> BoltGraph:
    return BoltGraph(server.address, server.user, server.password, patience=10.0, typed=typed)


@pytest.fixture(scope="module")
def typed(neo4j_server: GraphServer) -> Iterator[BoltGraph]:
    store = graph_on(neo4j_server, typed=True)
    store.ensure_schema()
    yield store
    store.close()


@pytest.fixture(scope="module")
def plain(neo4j_server: GraphServer) -> Iterator[BoltGraph]:
    store = graph_on(neo4j_server, typed=False)
    store.ensure_schema()
    yield store
    store.close()


@pytest.fixture(scope="module")
def bolt(neo4j_server: GraphServer) -> Iterator[Bolt]:
    store = Bolt(neo4j_server.address, neo4j_server.user, neo4j_server.password)
    yield store
    store.close()


@pytest.fixture
def collection() -> UUID:
    return uuid4()


def entity(name: str, kind: str) -> GraphEntity:
    return GraphEntity(id=uuid5(DOCUMENT, f"entity {name}"), name=name, type=kind, aliases=(), chunks=1)


def relation(source: GraphEntity, kind: str, target: GraphEntity, *, in_schema: bool = True) -> GraphRelation:
    return GraphRelation(
        id=relation_id(source.id, kind, target.id),
        source=source.id,
        type=kind,
        target=target.id,
        confidence=0.5,
        sentences=("It says so.",),
        chunks=1,
        documents=1,
        in_schema=in_schema,
    )


def write(graph: BoltGraph, collection: UUID, entities: list[GraphEntity], relations: list[GraphRelation]) -> None:
    graph.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a", generation=1), [chunk(0), chunk(1)])])
    graph.write_entities(collection, entities)
    graph.write_evidence(collection, {ids(0)[0]: [one.id for one in entities]})
    graph.write_relations(collection, relations)


def held(graph: BoltGraph, collection: UUID, relations: list[GraphRelation]) -> int:
    return len(graph.relations_held(collection, triples(*relations)))


def labels(bolt: Bolt, collection: UUID) -> dict[str, list[str]]:
    rows = bolt.query("MATCH (e:Entity {collection: $c}) RETURN e.name AS name, labels(e) AS labels", c=str(collection))
    return {row["name"]: sorted(set(row["labels"]) - {"Entity"}) for row in rows}


def kinds(bolt: Bolt, collection: UUID) -> dict[str, str]:
    rows = bolt.query(
        "MATCH (s:Entity {collection: $c})-[r]->(:Entity) RETURN r.type AS type, type(r) AS kind ORDER BY type", c=str(collection)
    )
    return {row["type"]: row["kind"] for row in rows}


@neo4j
def test_an_entity_carries_its_type_as_a_label_and_the_old_one_goes_when_the_type_changes(
    typed: BoltGraph, bolt: Bolt, collection: UUID
) -> None:
    for _ in range(2):
        write(typed, collection, [entity("Ada", "Person"), entity("Engine", "Machine")], [])
        assert labels(bolt, collection) == {"Ada": ["Person"], "Engine": ["Machine"]}

    bolt.run(("MATCH (e:Entity {collection: $c, name: 'Ada'}) SET e:Pinned", {"c": str(collection)}))
    typed.write_entities(collection, [entity("Ada", "Author"), entity("Engine", "")])

    assert labels(bolt, collection) == {"Ada": ["Author", "Pinned"], "Engine": []}


@neo4j
def test_a_predicate_of_the_schema_is_the_relationship_type_and_any_other_a_property(
    typed: BoltGraph, bolt: Bolt, collection: UUID
) -> None:
    a, b = entity("a", "T"), entity("b", "T")
    relations = [relation(a, "WORKS_FOR", b), relation(a, "is fond of", b, in_schema=False)]

    write(typed, collection, [a, b], relations)
    assert kinds(bolt, collection) == {"WORKS_FOR": "WORKS_FOR", "is fond of": "RELATES_TO"}

    # The schema names the other one now.
    typed.write_relations(collection, [relation(a, "WORKS_FOR", b, in_schema=False), relation(a, "is fond of", b)])
    assert kinds(bolt, collection) == {"WORKS_FOR": "RELATES_TO", "is fond of": "is fond of"}
    assert held(typed, collection, relations) == 2


@neo4j
def test_writers_that_differ_about_a_relations_type_leave_one_edge(typed: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    ends = [entity(f"n{number}", "T") for number in range(12)]
    write(typed, collection, ends, [])
    barrier = threading.Barrier(4, timeout=60)

    def relate(in_schema: bool) -> None:
        barrier.wait()
        typed.write_relations(collection, [relation(s, "USES", t, in_schema=in_schema) for s, t in pairwise(ends)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(relate, (True, False, True, False)))

    edges = "MATCH (s:Entity {collection: $c})-[r]->(t:Entity) RETURN count(r) AS edges, count(DISTINCT r.key) AS keys"
    assert bolt.query(edges, c=str(collection)) == [{"edges": 11, "keys": 11}]


@neo4j
def test_every_read_and_deletion_sees_relations_of_every_type(
    typed: BoltGraph, plain: BoltGraph, bolt: Bolt, collection: UUID
) -> None:
    a, b = entity("a", "T"), entity("b", "T")
    relations = [relation(a, "USES", b), relation(b, "USES", a), relation(a, "other", b, in_schema=False)]
    write(typed, collection, [a, b], relations)
    for graph in (typed, plain):
        assert held(graph, collection, relations) == 3
        assert graph.relation_triples_of(collection, [b.id]) == set(triples(*relations).values())

    typed.delete_relations(collection, triples(relation(a, "USES", b)))
    assert typed.relation_triples_of(collection, [a.id]) == set(triples(*relations[1:]).values())
    typed.delete_entities(collection, [a.id])
    assert kinds(bolt, collection) == {}


@neo4j
def test_a_write_with_the_setting_off_takes_labels_and_relationship_types_back(
    typed: BoltGraph, plain: BoltGraph, bolt: Bolt, collection: UUID
) -> None:
    a, b = entity("a", "Person"), entity("b", "Person")
    for graph, label, kind in ((typed, ["Person"], "USES"), (plain, [], "RELATES_TO"), (typed, ["Person"], "USES")):
        write(graph, collection, [a, b], [relation(a, "USES", b)])
        assert labels(bolt, collection) == {"a": label, "b": label}
        assert kinds(bolt, collection) == {"USES": kind}


@neo4j
def test_a_repeated_write_replaces_no_relation(typed: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    a, b = entity("a", "T"), entity("b", "T")
    edges = "MATCH (:Entity {collection: $c})-[r]->(:Entity) RETURN elementId(r) AS id"
    write(typed, collection, [a, b], [relation(a, "USES", b)])
    before = bolt.query(edges, c=str(collection))

    write(typed, collection, [a, b], [relation(a, "USES", b)])

    assert bolt.query(edges, c=str(collection)) == before


@neo4j
def test_hostile_names_are_names_and_nothing_else(typed: BoltGraph, bolt: Bolt, collection: UUID) -> None:
    witness = uuid4()
    write(typed, witness, [entity("witness", "Person")], [])
    hub = entity("hub", "Hub")
    entities = [entity(f"n{number}", kind) for number, kind in enumerate((*HOSTILE, *NAMELESS))]
    relations = [relation(hub, kind, one) for one, kind in zip(entities, (*HOSTILE, *NAMELESS), strict=True)]

    for _ in range(2):
        write(typed, collection, [hub, *entities], relations)
        there = labels(bolt, collection)
        assert len(there) == len(HOSTILE) + len(NAMELESS) + 1
        for number, kind in enumerate(HOSTILE):
            assert there[f"n{number}"] == [kind.replace("\0", "") + ("_" if kind in OWN_LABELS else "")]
        for number in range(len(NAMELESS)):
            assert there[f"n{len(HOSTILE) + number}"] == []
        for kind, written in kinds(bolt, collection).items():
            expected = kind.replace("\0", "").strip() or "RELATES_TO"
            assert written == expected + ("_" if kind in OWN_RELATIONSHIP_TYPES else "")
        assert typed.entity_counts(collection, [DOCUMENT]) == {DOCUMENT: len(there)}
        assert held(typed, collection, relations) == len(relations)
        assert typed.chunk_ids(collection, DOCUMENT) == set(ids(0, 1))
        assert typed.entity_ids(collection, DOCUMENT) == {hub.id, *(one.id for one in entities)}

    typed.delete_document(collection, DOCUMENT)
    typed.delete_entities(collection, [hub.id, *(one.id for one in entities)])
    assert labels(bolt, collection) == {}
    assert labels(bolt, witness) == {"witness": ["Person"]}


@neo4j
def test_an_entity_with_many_chunks_gives_its_relations_of_every_type(typed: BoltGraph, collection: UUID) -> None:
    """Evidence has the same direction as relations, and is told from them by its type."""
    chunks = [chunk(number) for number in range(2000)]
    typed.write_documents(collection, [(GraphDocument(id=DOCUMENT, name="a", generation=1), chunks)])
    hub, leaf = entity("hub", "T"), entity("leaf", "T")
    typed.write_entities(collection, [hub, leaf])
    typed.write_evidence(collection, {one.id: [hub.id] for one in chunks})
    typed.write_relations(collection, [relation(hub, "USES", leaf)])
    assert typed.relation_triples_of(collection, [hub.id]) == {(hub.id, "USES", leaf.id)}
    assert held(typed, collection, [relation(hub, "USES", leaf)]) == 1


@pytest.fixture(scope="module")
def planned(typed: BoltGraph, bolt: Bolt) -> None:
    """Relations enough for the planner not to look through them all, and no plan from when there were few."""
    hub, leaves = entity("hub", "T"), [entity(f"leaf {number}", "T") for number in range(1000)]
    write(typed, uuid4(), [hub, *leaves], [relation(hub, "USES", leaf) for leaf in leaves])
    bolt.run(("CALL db.clearQueryCaches()", {}))


@neo4j
@pytest.mark.usefixtures("planned")
@pytest.mark.parametrize(
    "statement",
    [
        cypher.RELATIONS_HELD_BETWEEN,
        cypher.DELETE_OTHER_TYPES,
        cypher.SET_TYPED_RELATIONS,
        cypher.ADD_TYPED_RELATIONS,
        cypher.DELETE_RELATIONS_BETWEEN,
    ],
)
def test_an_edge_is_looked_for_between_its_ends_and_never_among_all_of_a_hub(neo4j_server: GraphServer, statement: str) -> None:
    """EXPLAIN runs nothing. Without care the planner begins at either end, or with all relations of the database."""
    with GraphDatabase.driver(neo4j_server.address, auth=(neo4j_server.user, neo4j_server.password)) as driver:
        plan = str(driver.execute_query(f"EXPLAIN {statement}", rows=[]).summary.plan)
    assert "Expand(Into)" in plan
    assert "Expand(All)" not in plan
    assert "Scan" not in plan


def test_names_of_our_own_are_never_taken() -> None:
    assert {label_of(name) for name in OWN_LABELS} & OWN_LABELS == set()
    taken = {relationship_type_of(name, in_schema=True) for name in OWN_RELATIONSHIP_TYPES}
    assert taken & OWN_RELATIONSHIP_TYPES == set()
    assert relationship_type_of("USES", in_schema=False) == "RELATES_TO"


@pytest.mark.parametrize(("setting", "name"), [("typed", "AEGIS_NEO4J_TYPED"), ("searchable", "AEGIS_NEO4J_VECTORS")])
def test_arcadedb_cannot_and_says_which_setting_asks_for_it(arcadedb: tuple[str, str], setting: str, name: str) -> None:
    address, password = arcadedb
    store = BoltGraph(address, "root", password, patience=5.0, **{setting: True})  # type: ignore[arg-type]
    for ask in (store.check, store.ensure_schema, lambda: store.write_entities(uuid4(), [entity("a", "T")])):
        with pytest.raises(Misconfigured, match=rf"{name} needs Neo4j 5\.26 or later and the graph server is ArcadeDB"):
            ask()
    store.close()
