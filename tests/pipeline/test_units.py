"""Chunks -> units, and an answer about two chunks -> each chunk's share, true of that chunk alone."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

from aegis_assets.model.extraction import Extraction, Mention, Relation, Schema
from aegis_assets.model.ids import text_hash
from aegis_assets.model.ledger import ChunkRow
from aegis_assets.pipeline.reply import Reply, ReplyEntity, ReplyRelation
from aegis_assets.pipeline.reply_grounding import ground
from aegis_assets.pipeline.units import PAIR_TOKENS, Unit, units_of

LEFT = "Ada Lovelace met Charles Babbage in London.\nShe admired his engine."
RIGHT = "Its inventor had shown the engine to Ada Lovelace.\nDionysius Lardner toured with Babbage."


def chunk(text: str, tokens: int = 100, attempts: int = 0) -> ChunkRow:
    return ChunkRow(id=uuid4(), document=uuid4(), text=text, text_hash=text_hash(text), tokens=tokens, attempts=attempts)


def unit(*texts: str, done: Sequence[int] = ()) -> Unit:
    chunks = tuple(chunk(text) for text in texts)
    return Unit(chunks, tuple(one.id for place, one in enumerate(chunks) if place not in done))


def texts(units: Sequence[Unit]) -> list[str]:
    return ["+".join(chunk.text for chunk in unit.chunks) for unit in units]


def of(chunks: Sequence[ChunkRow], *, pairs: bool = True, to_do: set[UUID] | None = None) -> list[Unit]:
    return list(units_of(chunks, {chunk.id for chunk in chunks} if to_do is None else to_do, pairs=pairs))


def found(*names: str, text: str, relations: Sequence[tuple[int, str, str, str]] = ()) -> Extraction:
    """What the extractor makes of a reply about the text; relations begin with the number of the line that says it."""
    reply = Reply(
        entities=[ReplyEntity(name, "PERSON") for name in names],
        relations=[ReplyRelation(source, predicate, target, line) for line, source, predicate, target in relations],
    )
    return ground(reply, text, Schema()).model_copy(update={"calls": 1, "prompt_tokens": 70, "completion_tokens": 30})


def stated(share: Extraction, text: str) -> list[tuple[str, str, str, str]]:
    return [
        (share.mentions[one.source].name, one.type, share.mentions[one.target].name, text[one.start : one.end])
        for one in share.relations
    ]


# Units


def test_neighbours_go_together_up_to_the_limit() -> None:
    half = PAIR_TOKENS // 2
    chunks = [chunk("a", half), chunk("b", half), chunk("c", half), chunk("d", half + 1), chunk("e", 1)]
    assert texts(of(chunks)) == ["a+b", "c", "d+e"]


def test_without_the_setting_each_chunk_is_a_unit() -> None:
    assert texts(of([chunk("a"), chunk("b")], pairs=False)) == ["a", "b"]


def test_a_unit_with_nothing_to_do_is_left_out_and_a_changed_chunk_takes_its_neighbour_along() -> None:
    chunks = [chunk(name) for name in "abcdef"]
    (changed,) = of(chunks, to_do={chunks[3].id})
    assert (texts([changed]), changed.to_do) == (["c+d"], (chunks[3].id,))


def test_a_chunk_that_failed_is_asked_about_alone() -> None:
    assert texts(of([chunk("a"), chunk("b", attempts=1), chunk("c"), chunk("d")])) == ["a", "b", "c+d"]


def test_a_share_is_cached_for_its_neighbour_and_place_only() -> None:
    """A chunk alone goes by its text, as ever."""
    keys = {key for one in (unit("a", "b"), unit("b", "a"), unit("a", "c"), unit("a", "a")) for key in one.cache_keys("f")}
    assert len(keys) == 8
    assert unit("a", "b").cache_keys("f") == unit("a", "b").cache_keys("f") != unit("a", "b").cache_keys("g")
    assert unit("a").cache_keys("f") == [(text_hash("a"), "f")]


# Shares


def test_each_chunk_has_its_mentions_at_its_own_places() -> None:
    pair = unit(LEFT, RIGHT)
    shares = pair.shares(found("Ada Lovelace", "Charles Babbage", "Dionysius Lardner", text=pair.text))
    assert [[mention.name for mention in share.mentions] for share in shares] == [
        ["Ada Lovelace", "Charles Babbage"],
        ["Ada Lovelace", "Dionysius Lardner"],
    ]
    for share, text in zip(shares, (LEFT, RIGHT), strict=True):
        assert [text[mention.start : mention.end] for mention in share.mentions] == [mention.name for mention in share.mentions]


def test_a_relation_belongs_to_the_chunk_that_says_it() -> None:
    pair = unit(LEFT, RIGHT)
    rows = [(1, "Ada Lovelace", "met", "Charles Babbage"), (4, "Dionysius Lardner", "toured with", "Ada Lovelace")]
    left, right = pair.shares(found("Ada Lovelace", "Charles Babbage", "Dionysius Lardner", text=pair.text, relations=rows))
    assert stated(left, LEFT) == [("Ada Lovelace", "MET", "Charles Babbage", LEFT.splitlines()[0])]
    assert stated(right, RIGHT) == [("Dionysius Lardner", "TOURED_WITH", "Ada Lovelace", RIGHT.splitlines()[1])]


def test_an_end_that_was_found_next_door_is_the_chunks_own_mention_of_that_name() -> None:
    pair = unit("Babbage was here.", "Later on, Ada wrote. She wrote at length, and with care. Babbage read it.")
    at = pair.text.index("She wrote")
    ends = [(m.start, m.end) for m in found("Babbage", "Ada", text=pair.text).mentions]
    (first, ada, last) = (Mention(name=pair.text[a:b], type="PERSON", start=a, end=b) for a, b in ends)
    answer = Extraction(
        mentions=(first, ada, last), relations=(Relation(source=1, target=0, type="KNEW", confidence=0.6, start=at, end=at + 9),)
    )
    _, right = pair.shares(answer)
    assert stated(right, pair.chunks[1].text) == [("Ada", "KNEW", "Babbage", "She wrote")]


def test_a_relation_whose_chunk_names_one_end_only_is_dropped_and_counted() -> None:
    """Its other end would have no place there: when the neighbour goes, nothing would be left that it stands in."""
    pair = unit(LEFT, RIGHT)
    named = found("Ada Lovelace", "Charles Babbage", text=pair.text)
    babbage = [mention.name for mention in named.mentions].index("Charles Babbage")
    at = pair.text.index("Its inventor")
    said = Relation(source=babbage, target=0, type="SHOWED", confidence=0.6, start=at, end=at + 9)
    answer = named.model_copy(update={"relations": (said,)})
    assert len(answer.relations) == 1
    left, right = pair.shares(answer)
    assert (left.relations, right.relations) == ((), ())
    assert left.dropped == answer.dropped + 1


def test_what_an_answer_took_counts_once_for_the_first_chunk_that_was_to_be_done() -> None:
    pair = unit(LEFT, RIGHT, done=[0])
    left, right = pair.shares(found("Ada Lovelace", text=pair.text))
    assert [(share.calls, share.prompt_tokens, share.completion_tokens) for share in (left, right)] == [(0, 0, 0), (1, 70, 30)]


def test_a_unit_of_one_chunk_keeps_its_answer() -> None:
    answer = found("Ada Lovelace", "Charles Babbage", text=LEFT, relations=[(1, "Ada Lovelace", "met", "Charles Babbage")])
    assert unit(LEFT).shares(answer) == [answer]
