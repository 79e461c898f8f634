"""The walk over a graph in memory: it comes by what two steps lead to, and reads no more than it may."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import pytest

from aegis_assets.pipeline.search import walk as module
from aegis_assets.pipeline.search.walk import Entity, seeds, walk

COLLECTION = UUID(int=99)
QUESTION, BRIDGE, ANSWER, OTHER = (UUID(int=number) for number in range(1, 5))


def entity(name: str, degree: int = 2) -> Entity:
    return Entity(COLLECTION, name, name.title(), degree)


class Graph:
    """A graph in memory that counts what is read. edges: chunk -> entities, True where the chunk is the entity's home."""

    def __init__(self, edges: dict[UUID, dict[Entity, bool]]) -> None:
        self.edges = edges
        self.read_chunks = self.read_entities = 0
        self.naming: defaultdict[Entity, dict[UUID, bool]] = defaultdict(dict)
        for chunk, named in edges.items():
            for one, home in named.items():
                self.naming[one][chunk] = home

    def entities(self, chunks: Sequence[UUID]) -> dict[UUID, dict[Entity, bool]]:
        self.read_chunks += len(chunks)
        return {chunk: self.edges[chunk] for chunk in chunks if chunk in self.edges}

    def chunks(self, entities: Sequence[Entity]) -> dict[Entity, dict[UUID, bool]]:
        self.read_entities += len(entities)
        return {one: self.naming[one] for one in entities}


CHAIN = Graph(
    {
        QUESTION: {entity("lothair"): True, entity("ermengarde"): False},
        ANSWER: {entity("ermengarde"): True, entity("tours"): False},
        OTHER: {entity("ermengarde"): False},
        BRIDGE: {entity("nobody"): True},
    }
)


def test_a_home_two_steps_away_has_more_than_a_chunk_that_only_mentions_the_entity() -> None:
    walked = walk(seeds({QUESTION: 0.8}, [entity("lothair")]), CHAIN)
    assert walked.mass[ANSWER] > 3 * walked.mass[OTHER] > 0
    assert BRIDGE not in walked.mass
    assert sum(walked.mass.values()) < 1


def test_a_hit_says_by_which_entities_the_walk_came() -> None:
    walked = walk(seeds({}, [entity("lothair")]), CHAIN)
    assert walked.path(ANSWER) == ("Lothair", "Ermengarde")
    assert walked.path(QUESTION) == ("Lothair",)
    assert walk(seeds({QUESTION: 0.8}, []), CHAIN).path(QUESTION) == ()


def test_a_rare_entity_leads_further_than_one_that_thousands_name() -> None:
    rare, common = entity("rare", 2), entity("common", 10_000)
    graph = Graph({QUESTION: {rare: False, common: False}, ANSWER: {rare: False}, OTHER: {common: False}})
    mass = walk(seeds({QUESTION: 0.8}, []), graph).mass
    assert mass[ANSWER] > 100 * mass[OTHER]


def test_nothing_to_begin_with_is_no_walk() -> None:
    assert walk(seeds({}, []), CHAIN).mass == {}
    assert seeds({QUESTION: -0.2}, []) == {}


def test_it_reads_no_more_nodes_than_it_may_and_nothing_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST", 0.0)
    hub = entity("hub", 1000)
    edges = {
        UUID(int=number): {hub: False} | {entity(f"e{number} {other}"): False for other in range(10)} for number in range(1, 1001)
    }
    graph = Graph(edges)
    walk(seeds({UUID(int=1): 0.5}, [hub]), graph, seconds=60)
    assert (graph.read_chunks, graph.read_entities) == (module.MOST_CHUNKS, module.MOST_ENTITIES)

    untouched = Graph(edges)
    assert walk(seeds({UUID(int=1): 0.5}, [hub]), untouched, seconds=0).mass[UUID(int=1)] > 0
    assert untouched.read_chunks == untouched.read_entities == 0
