"""Whatever the order in which names come and go, the groups are those of the names that are there in the end."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from aegis_assets.model import ids
from aegis_assets.pipeline.blocking import SPELLING, blocks
from aegis_assets.pipeline.comparison import Neighbourhood
from aegis_assets.pipeline.decide import joined
from aegis_assets.pipeline.flow.resolve import compare_names, similarities
from aegis_assets.pipeline.matching import EntityName, MergeDecision
from aegis_assets.pipeline.resolve import components, find_merges
from aegis_assets.stores.ledger import Ledger, deciding, extraction, graph_drop
from aegis_assets.stores.ledger.evidence import regroup
from tests.doubles.name_embedder import NameEmbedder
from tests.stores.ledger.build import collection


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    opened = Ledger(ledger_url)
    yield opened
    opened.close()


def entity(name: str, kind: str = "term") -> EntityName:
    return EntityName(ids.entity_id(collection(), name), kind, name, ids.normalised(name))


def cosines(pairs: Sequence[tuple[str, str]]) -> list[float]:
    platform: Any = SimpleNamespace(embedder=NameEmbedder())
    return similarities(platform, pairs)


@dataclass
class Bounded:
    """The ledger with a bound of a few names. meanwhile: what happens between the comparison and its saving."""

    ledger: Ledger
    bound: int
    meanwhile: Callable[[], None]

    def neighbourhood(self, scope: UUID, names: Mapping[UUID, bool]) -> Neighbourhood:
        return self.ledger.neighbourhood(scope, names, self.bound)

    def save_merges(self, scope: UUID, decisions: Sequence[MergeDecision], near: Neighbourhood, rules: str) -> None:
        self.meanwhile()
        self.ledger.save_merges(scope, decisions, near, rules, self.bound)


@dataclass
class SmallWorld:
    """Names that are written to the ledger without documents. by_person: pairs that a person joined."""

    ledger: Ledger
    bound: int
    names: dict[UUID, EntityName] = field(default_factory=dict)
    by_person: set[tuple[UUID, UUID]] = field(default_factory=set)

    def ingest(self, names: Iterable[EntityName], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Do with the names what is done with a document's: save, compare and follow them."""
        given = {name.id: name for name in names}
        self.names |= given
        entities = [
            {
                "id": str(name.id),
                "type": name.type,
                "name": name.name,
                "normalised": name.normalised,
                "blocks": sorted(set(blocks(name.normalised))),
            }
            for name in given.values()
        ]
        with self.ledger.transaction() as connection:
            connection.execute(extraction.ADD_ENTITIES, {"collection": collection(), "rows": Jsonb(entities)})
        self.resolve(given, meanwhile)

    def resolve(self, names: Iterable[UUID], meanwhile: Callable[[], None] = lambda: None) -> None:
        wanted = list(names)
        with self.ledger.connection() as connection:
            found = connection.execute("SELECT id, resolved FROM aegis_entity WHERE id = ANY(%s)", (wanted,)).fetchall()
        compared = {row["id"]: row["resolved"] == "rules" for row in found}
        platform: Any = SimpleNamespace(ledger=Bounded(self.ledger, self.bound, meanwhile), embedder=NameEmbedder())
        compare_names(platform, collection(), compared, "rules")
        with self.ledger.transaction() as connection:
            regroup(connection, collection(), wanted)

    def join(self, left: UUID, right: UUID) -> None:
        pair = joined(left, right)
        self.by_person.add(pair.key)
        with self.ledger.transaction() as connection:
            deciding._save(connection, collection(), [pair])
            regroup(connection, collection(), pair.key)

    def remove(self, names: Sequence[UUID]) -> None:
        for id in names:
            del self.names[id]
        self.by_person = {pair for pair in self.by_person if set(pair) <= self.names.keys()}
        with self.ledger.transaction() as connection:
            given = {"ids": list(names)}
            rest = [row["id"] for row in connection.execute(graph_drop.GROUP, given)]
            for statement in graph_drop.DROP_ENTITIES:
                connection.execute(statement, given)
            regroup(connection, collection(), rest)

    def groups(self) -> dict[str, str]:
        with self.ledger.connection() as connection:
            found = connection.execute(
                "SELECT e.name, c.name AS canonical FROM aegis_entity e JOIN aegis_entity c ON c.id = e.canonical_id"
            )
            return {row["name"]: row["canonical"] for row in found}

    def expected(self) -> dict[str, str]:
        """Compare every two names that share a key which no more than the bound have."""
        by_key: dict[str, set[UUID]] = defaultdict(set)
        for name in self.names.values():
            for key in blocks(name.normalised):
                by_key[key].add(name.id)
        usable = [block for key, block in by_key.items() if len(block) <= self.bound or key.startswith(SPELLING)]
        pairs = {(left, right) for block in usable for left in block for right in block if left < right}
        decided = find_merges([(self.names[left], self.names[right]) for left, right in sorted(pairs)], cosines)
        edges = [edge for edge in decided if (edge.left, edge.right) not in self.by_person]
        canonical = components(self.names, [*edges, *self.by_person], self.names)
        return {name.name: self.names[canonical[name.id]].name for name in self.names.values()}


WORDS = ("graph", "store", "stores", "data", "configuration", "configurations", "operating", "operational", "of", "query")
PEOPLE = ("Ada Lovelace", "A. Lovelace", "Ada King Lovelace", "Alan Lovelace", "Alan Turing", "A. Turing", "A. M. Turing")


def corpus(draw: random.Random) -> list[EntityName]:
    terms = {" ".join(draw.choices(WORDS, k=draw.randint(1, 3))) for _ in range(draw.randint(8, 24))}
    spellings = {"data base", "database", "databases", "data bases", "da tabase", "DB store", "GOD", "graph operating data"}
    people = draw.sample(PEOPLE, draw.randint(0, len(PEOPLE)))
    names = [entity(name) for name in sorted(terms | set(draw.sample(sorted(spellings), 5)))]
    distinct = {name.id: name for name in [*names, *(entity(name, "person") for name in people)]}
    return list(distinct.values())


def cut(names: Sequence[EntityName], draw: random.Random) -> list[list[EntityName]]:
    """Documents of a few names, some of which two of them have."""
    rest, documents = draw.sample(names, len(names)), []
    while rest:
        document = [rest.pop() for _ in range(min(len(rest), draw.randint(1, 5)))]
        documents.append(document + draw.sample(names, draw.randint(0, 1)))
    return documents


def empty(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        connection.execute("TRUNCATE aegis_collection, aegis_crowded_block CASCADE")
        connection.execute("INSERT INTO aegis_collection (id, name) VALUES (%s, 'books') ON CONFLICT DO NOTHING", (collection(),))


@pytest.mark.parametrize("seed", range(12))
def test_names_that_come_and_go_in_any_order_are_grouped_as_those_that_are_left(ledger: Ledger, seed: int) -> None:
    names = corpus(random.Random(seed))
    for order in range(3):
        draw = random.Random(1000 * seed + order)
        empty(ledger)
        world = SmallWorld(ledger, bound=2 + seed % 3)
        for document in cut(names, draw):
            world.ingest(document)
            if draw.random() < 0.2 and len(world.names) > 1:
                world.join(*draw.sample(sorted(world.names), 2))
        assert world.groups() == world.expected()

        world.remove(draw.sample(sorted(world.names), len(world.names) // 3))
        world.resolve(world.names)
        assert world.groups() == world.expected()

        world.ingest(draw.sample(names, len(names) // 2))
        world.resolve(world.names)
        assert world.groups() == world.expected()


@pytest.mark.parametrize("seed", range(12))
def test_documents_that_come_and_go_while_another_is_compared_change_nothing_either(ledger: Ledger, seed: int) -> None:
    draw = random.Random(seed)
    empty(ledger)
    world = SmallWorld(ledger, bound=2 + seed % 3)
    documents = cut(corpus(draw), draw)

    def meanwhile() -> None:
        if documents and draw.random() < 0.6:
            world.ingest(documents.pop(), meanwhile if draw.random() < 0.5 else lambda: None)
        elif len(world.names) > 4 and draw.random() < 0.3:
            world.remove(draw.sample(sorted(world.names), 2))

    while documents:
        world.ingest(documents.pop(), meanwhile)
    world.resolve(world.names)
    assert world.groups() == world.expected()


def test_the_corpora_of_these_tests_have_crowded_keys_and_all_kinds_of_merges() -> None:
    reasons: Counter[str] = Counter()
    crowded = 0
    for seed in range(12):
        names = {name.id: name for name in corpus(random.Random(seed))}
        keys = Counter(key for name in names.values() for key in blocks(name.normalised))
        crowded += sum(number > 2 + seed % 3 for number in keys.values())
        every = [(names[a], names[b]) for a in sorted(names) for b in sorted(names) if a < b]
        reasons.update(decision.reason for decision in find_merges(every, cosines))
    assert crowded > 40
    assert min(reasons[reason] for reason in ("exact", "fuzzy", "embedding")) > 10
