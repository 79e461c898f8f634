"""The content of a loaded collection, by number: entities with their names, chunks that name ten each, documents of fifty chunks.

Everything follows from the collection's size, and what a smaller collection has is in a larger one too. Names are of two words, and
a word is shared by four names near each other, so that a name has the same neighbours at every size; save for every sixteenth,
which ends with a word that more names share than a blocking key may have. Each hub stands in one hundredth of all chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from bench.corpus import SYLLABLES

TYPE: Final = "ENTITY"  # what the engine double's extractor says of such names
VERB: Final = "feeds"
RELATION: Final = "FEEDS"
CROWDED: Final = "Valve"  # the second word of every sixteenth name
HUBS: Final = 100
PER_CHUNK: Final = 10  # entities
PER_DOCUMENT: Final = 50  # chunks
MENTIONS: Final = 5  # of an entity, on average
GROUP: Final = 16  # names that share their words among themselves: four times four
STEPS: Final = (7_919, 6_991, 5_563, 9_001, 3_571)  # primes: how far apart the entities of a chunk are, by how often all were named
HUB_WORDS: Final = 800_000  # beyond the words of a million entities
NEW_WORDS: Final = 900_000
MEASURED_CHUNKS: Final = 30
MEASURED_HUBS: Final = 10
PER_PAGE: Final = 3

Span = tuple[int, int]


@lru_cache(maxsize=400_000)
def word(number: int) -> str:
    """Return a capitalised word of four syllables, another one for each number below 33 ** 4."""
    count = len(SYLLABLES)
    left = number * 7_368_787 % count**4  # neighbours look nothing alike
    parts = []
    for _ in range(4):
        left, part = divmod(left, count)
        parts.append(SYLLABLES[part])
    return "".join(parts).capitalize()


def name(entity: int) -> str:
    """Return an entity's name. The first HUBS entities are the hubs, whose words nobody shares."""
    if entity < HUBS:
        return f"{word(HUB_WORDS + 2 * entity)} {word(HUB_WORDS + 2 * entity + 1)}"
    group, place = divmod(entity, GROUP)
    if place == GROUP - 1:
        return f"{word(8 * group + 3)} {CROWDED}"
    return f"{word(8 * group + place // 4)} {word(8 * group + 4 + place % 4)}"


@dataclass(frozen=True)
class LoadedChunk:
    """mentions: entity and place of its name in the text. relations: source, target, and the place of the sentence."""

    text: str
    mentions: tuple[tuple[int, Span], ...]
    relations: tuple[tuple[int, int, Span], ...]


@dataclass(frozen=True)
class Loaded:
    """entities: in the collection, hubs included."""

    entities: int

    @property
    def chunks(self) -> int:
        return self.entities * MENTIONS // PER_CHUNK

    @property
    def documents(self) -> int:
        return -(-self.chunks // PER_DOCUMENT)

    def of_document(self, document: int) -> range:
        """Return the numbers of a document's chunks."""
        return range(document * PER_DOCUMENT, min((document + 1) * PER_DOCUMENT, self.chunks))

    def chunk(self, number: int) -> LoadedChunk:
        """Return a chunk. Every second one names two hubs, one in a relation to the other; the others name none."""
        hubs = [] if number % 2 else [number // 2 % HUBS, (number // 2 + 1) % HUBS]
        named = hubs + self._ordinary(number, PER_CHUNK - len(hubs))
        order = [0, 1, 2, 0, 3, 4] if number % 4 else [0, 1, 0, 2, 3, 4]  # hubs as sources and as targets
        pairs = list(zip(order[::2], order[1::2], strict=True))
        said = {place for pair in pairs for place in pair}
        text = _Text()
        for source, target in pairs:
            text.sentence(named[source], named[target])
        for place, entity in enumerate(named):
            if place not in said:
                text.alone(entity)
        return text.chunk()

    def all_chunks(self) -> Iterator[tuple[int, LoadedChunk]]:
        for number in range(self.chunks):
            yield number, self.chunk(number)

    def _ordinary(self, number: int, count: int) -> list[int]:
        """Return the next entities in turn. When all were named they are again, in another order, beside others."""
        first = number * PER_CHUNK - (number + 1) // 2 * 2  # what the chunks before have named
        others = self.entities - HUBS
        turns = [divmod(first + place, others) for place in range(count)]
        return [HUBS + place * STEPS[turn % len(STEPS)] % others for turn, place in turns]


class _Text:
    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._mentions: dict[int, Span] = {}
        self._relations: list[tuple[int, int, Span]] = []

    def _add(self, part: str) -> Span:
        begin = self._length
        self._parts.append(part)
        self._length += len(part)
        return begin, self._length

    def _mention(self, entity: int) -> Span:
        span = self._add(name(entity))
        self._mentions.setdefault(entity, span)
        return span

    def sentence(self, source: int, target: int) -> None:
        begin, _ = self._mention(source)
        self._add(f" {VERB} ")
        self._mention(target)
        self._relations.append((source, target, (begin, self._add(".")[1])))
        self._add(" ")

    def alone(self, entity: int) -> None:
        self._add("It has ")
        self._mention(entity)
        self._add(". ")

    def chunk(self) -> LoadedChunk:
        return LoadedChunk("".join(self._parts), tuple(self._mentions.items()), tuple(self._relations))


def measured(seed: int, revised: int | None = None) -> str:
    """Return the text of a document that is measured, as the engine double reads it.

    It names MEASURED_HUBS hubs, entities that are loaded at every size, and new ones. seed: of the new names. revised: a
    paragraph that has other ones.
    """
    paragraphs = [_paragraph(seed, number, number == revised) for number in range(MEASURED_CHUNKS)]
    pages = ["\n\n".join(paragraphs[first : first + PER_PAGE]) for first in range(0, MEASURED_CHUNKS, PER_PAGE)]
    return "\f".join(pages)


def _paragraph(seed: int, number: int, revised: bool) -> str:
    hub, other = name(number % MEASURED_HUBS), name((number * 3 + 1) % MEASURED_HUBS)
    old = [name(HUBS + (number * 17 + place * 5) % 700) for place in range(2)]
    fresh = NEW_WORDS + 100 * (MEASURED_CHUNKS * (seed % 50) + number) + (50 if revised else 0)
    new = [f"{word(fresh + place)} {word(fresh + 10 + place)}" for place in range(3)]
    crowded = f"{word(fresh + 20)} {CROWDED}"
    pairs = ((hub, other), (hub, new[0]), (old[0], hub), (old[1], new[1]), (new[2], crowded))
    return " ".join(f"{source} {VERB} {target}." for source, target in pairs)
