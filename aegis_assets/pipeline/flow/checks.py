"""Find what the asset checks say of a document and of the watched bucket, as far as the ledger knows it."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from aegis_assets.model.parsing import Frozen
from aegis_assets.pipeline.flow.ledger import FlowLedger
from aegis_assets.pipeline.flow.platform import Platform
from aegis_assets.pipeline.flow.staleness import staleness_of

SHOWN: Final = 50  # pages or names that a finding lists; it counts the others
INTERVALS: Final = 3


class Finding(Frozen):
    """Hold what a check found. sentence: for a person. facts: numbers, and lists of at most SHOWN things."""

    passed: bool
    sentence: str
    facts: dict[str, int | float | str] = {}


def no_text_lost(platform: Platform, document: UUID) -> Finding:
    """Find pages of the live generation that gave no text. A blank page, or one with nothing but a picture, is such one too."""
    parts, empty = platform.ledger.parts_without_text(document)
    facts: dict[str, int | float | str] = {"pages": parts, "without_text": len(empty), "which": _listed(list(map(str, empty)))}
    return Finding(passed=not empty, sentence=f"{len(empty)} of {parts} pages or sections gave no text.", facts=facts)


def grounded(platform: Platform, document: UUID) -> Finding:
    """Find entities of the live generation of which no mention stands in its text where it was noted."""
    names = platform.ledger.ungrounded(document)
    facts: dict[str, int | float | str] = {"ungrounded": len(names), "which": _listed(names)}
    return Finding(passed=not names, sentence=f"{len(names)} entities stand nowhere in the text.", facts=facts)


def up_to_date(platform: Platform, document: UUID) -> Finding:
    """Compare the fingerprints of the live generation with those that its collection would give it now."""
    collection = platform.ledger.document(document).collection
    rows = staleness_of(platform, collection, [document])
    if not rows:
        return Finding(passed=False, sentence="The document has no content yet.")
    row = rows[0]
    facts: dict[str, int | float | str] = {
        "cut_anew": int(row.is_cut_anew),
        "chunks": row.chunks,
        "embedded_otherwise": row.embeds,
        "extracted_otherwise": row.extractions,
    }
    sentence = "Made with other settings, engines or schema than now." if row.is_stale else "Made as it would be made now."
    return Finding(passed=not row.is_stale, sentence=sentence, facts=facts)


def listing_fresh(ledger: FlowLedger, bucket: str, is_asked_for: bool) -> Finding:
    """Find out whether the watched bucket is still listed. is_asked_for: a person has set it; else it is the inbox."""
    last = ledger.last_listing(bucket)
    if last is None:
        sentence = "The watched bucket was never listed completely." if is_asked_for else "Nothing is watched."
        return Finding(passed=not is_asked_for, sentence=sentence)
    limit = INTERVALS * last.every_seconds
    facts: dict[str, int | float | str] = {
        "last": last.completed_at.isoformat(timespec="seconds"),
        "age_seconds": round(last.age_seconds, 1),
        "limit_seconds": round(limit, 1),
    }
    sentence = f"The last complete listing is {last.age_seconds:.0f} s old; three intervals are {limit:.0f} s."
    return Finding(passed=last.age_seconds <= limit, sentence=sentence, facts=facts)


def _listed(things: list[str]) -> str:
    return ", ".join(things[:SHOWN]) + (", ..." if len(things) > SHOWN else "")
