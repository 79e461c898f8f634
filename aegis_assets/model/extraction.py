"""What an extractor finds in one text. Every name stands in the text at its span; the rest was dropped and counted."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from aegis_assets.model.frozen import Frozen

UNSURE: Final = 0.5  # the confidence of a type that may as well be another one


class Schema(Frozen):
    """Say what a collection wants extracted, and by which language model. Empty: the extractor's own types, prompt and model.

    pairs: a language model is asked about two small neighbouring chunks at once.
    """

    entity_types: tuple[str, ...] = ()
    relation_types: tuple[str, ...] = ()
    prompt: str = ""
    model: str = ""
    pairs: bool = False


class Mention(Frozen):
    """start, end: characters in the text, end exclusive. name: as it stands there. confidence: of the type, for its vote.

    inexact: the name was given in another spelling.
    """

    name: str
    type: str
    start: int = Field(ge=0)
    end: int = Field(gt=0)
    confidence: float = Field(default=1.0, ge=0, le=1)
    inexact: bool = False


class Relation(Frozen):
    """source, target: indices into the extraction's mentions. start, end: the sentence or clause that says it.

    addressed: that sentence speaks to its reader or to a language model, so it may be an instruction instead of a statement.
    """

    source: int
    target: int
    type: str
    confidence: float = Field(ge=0, le=1)
    start: int
    end: int
    addressed: bool = False


class Extraction(Frozen):
    """skipped: why nothing was extracted (a language without a model), None otherwise. dropped: names not in the text.

    calls: requests to a language model that this took, retries included.
    """

    mentions: tuple[Mention, ...] = ()
    relations: tuple[Relation, ...] = ()
    skipped: str | None = None
    dropped: int = 0
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
