"""What the checks of a document ask, and when the watched bucket was last listed."""

from __future__ import annotations

from aegis_assets.model.document import Stage, State
from aegis_assets.model.extraction import Extraction, Mention
from aegis_assets.model.ledger import Extracted
from aegis_assets.model.staleness import Staleness
from aegis_assets.stores.ledger import Ledger
from tests.stores.ledger.build import EMBED, EXTRACT, PARSE, PLAN, RUN, ingested, running

TEXT = "Ada Lovelace met Charles Bab-\nbage."


def extract(ledger: Ledger, *mentions: Mention) -> list[str]:
    """Return what is not grounded of a document with one text, of which this was extracted."""
    document = ingested(ledger, [[TEXT]])
    ledger.begin(document, RUN, lambda _: False)
    (window,) = ledger.windows(ledger.document(document).live or 0)
    (chunk,) = ledger.window_chunks(window.id, Stage.EXTRACT)
    ledger.save_extractions(document, RUN, "extract-2", [Extracted(chunk.id, Extraction(mentions=mentions), seconds=0.1)])
    return ledger.ungrounded(document)


def test_pages_without_text_are_those_of_no_chunk(ledger: Ledger) -> None:
    assert ledger.parts_without_text(ingested(ledger, [["one"]])) == (1, [])
    # Each chunk of `ingested` stands on page 1, whichever window it is in.
    assert ledger.parts_without_text(ingested(ledger, [["one"], ["two"], []], "b.md", "two")) == (3, [2, 3])


def test_of_a_document_without_pages_sections_are_lost_with_their_window(ledger: Ledger) -> None:
    document = ingested(ledger, [["one"], [], ["three"]])
    with ledger.connection() as connection:
        connection.execute("UPDATE aegis_generation SET pages = NULL")
        connection.execute("UPDATE aegis_window SET last = 9, first = 3 WHERE ordinal = 2")
    assert ledger.parts_without_text(document) == (9, [2])


def test_a_document_that_is_not_live_has_lost_nothing(ledger: Ledger) -> None:
    document = running(ledger)
    assert ledger.parts_without_text(document) == (0, [])
    assert ledger.ungrounded(document) == []
    assert ledger.staleness([document], PLAN, PARSE, EMBED, EXTRACT) == []


def test_a_name_that_stands_where_it_was_noted_is_grounded(ledger: Ledger) -> None:
    broken = Mention(name="Charles Babbage", type="person", start=17, end=34)
    inexact = Mention(name="Countess", type="person", start=0, end=3, inexact=True)
    assert extract(ledger, Mention(name="Ada Lovelace", type="person", start=0, end=12), broken, inexact) == []


def test_a_name_of_which_no_mention_stands_in_the_text_is_not_grounded(ledger: Ledger) -> None:
    wrong = Mention(name="Luigi Menabrea", type="person", start=0, end=14)
    beyond = Mention(name="Nobody", type="person", start=900, end=906, inexact=True)
    assert sorted(extract(ledger, wrong, beyond)) == ["Luigi Menabrea", "Nobody"]
    assert extract(ledger, wrong, Mention(name="Ada", type="person", start=0, end=3)) == ["Luigi Menabrea"]


def test_one_mention_at_its_place_is_enough(ledger: Ledger) -> None:
    stands, moved = (Mention(name="Ada", type="person", start=start, end=start + 3) for start in (0, 5))
    assert extract(ledger, stands, moved) == []


def test_staleness_counts_what_is_of_other_fingerprints(ledger: Ledger) -> None:
    document = ingested(ledger, [["Ada Lovelace", "Ada Byron"], ["Ada"]])
    ingested(ledger, [["another"]], "b.md", "two")

    def asked(plan: str = PLAN, parse: str = PARSE, embed: str = EMBED, extract: str = EXTRACT, *earlier: str) -> Staleness:
        (row,) = ledger.staleness([document], plan, parse, embed, extract, earlier)
        return row

    fresh = asked()
    assert (fresh.is_stale, fresh.chunks_made, fresh.calls, fresh.chunks, fresh.state) == (False, 0, 0, 3, State.SUCCEEDED)
    assert asked("plan-2").is_cut_anew
    assert asked("plan-2").chunks_made == asked("plan-2").calls == 3
    assert asked(parse="parse-2").is_stale
    embed = asked(embed="embed-2")
    assert (embed.is_stale, embed.embeds, embed.chunks_made, embed.calls) == (True, 3, 3, 0)
    extract = asked(extract="extract-2")
    assert (extract.is_stale, extract.extractions, extract.chunks_made, extract.calls) == (True, 3, 3, 3)
    assert not asked(PLAN, PARSE, EMBED, "extract-2", EXTRACT).is_stale


def test_a_text_that_was_extracted_so_before_costs_no_call(ledger: Ledger) -> None:
    document = ingested(ledger, [["Ada Lovelace", "Ada Byron"]])
    with ledger.connection() as connection:
        connection.execute(
            "INSERT INTO aegis_extraction (text_hash, fingerprint, payload)"
            " SELECT text_hash, 'extract-2', '{}' FROM aegis_chunk ORDER BY id LIMIT 1"
        )
    (row,) = ledger.staleness([document], PLAN, PARSE, EMBED, "extract-2")
    assert (row.extractions, row.known, row.calls) == (2, 1, 1)


def test_the_last_complete_listing_of_a_bucket_is_kept_alone(ledger: Ledger) -> None:
    assert ledger.last_listing("s3://inbox") is None
    ledger.note_listing("s3://other", 1.0)
    ledger.note_listing("s3://inbox", 30.0)
    first = ledger.last_listing("s3://inbox")
    ledger.note_listing("s3://inbox", 40.0)
    second = ledger.last_listing("s3://inbox")
    assert first is not None
    assert second is not None
    assert second.completed_at > first.completed_at
    assert (first.every_seconds, second.every_seconds) == (30.0, 40.0)
    assert 0 <= second.age_seconds < 60


def test_collections_come_by_name(ledger: Ledger) -> None:
    ingested(ledger, [["one"]])
    assert [row.name for row in ledger.collections()] == ["books"]
    assert ledger.collection(ledger.collections()[0].id) == ledger.collections()[0]
