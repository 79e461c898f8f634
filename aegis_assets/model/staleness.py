"""A row of the ledger about a document that its collection would make otherwise now."""

from __future__ import annotations

from uuid import UUID

from aegis_assets.model.document import State
from aegis_assets.model.parsing import Frozen


class Staleness(Frozen):
    """How much of a document's live generation was made otherwise than its collection would make it now.

    is_cut_anew: it would be parsed or cut into windows and chunks in another way, or its windows were. chunks: all of the
    generation. embeds, extractions: chunks whose result is of another fingerprint. known: those of the extractions whose text has
    been extracted under the present fingerprint, so that they take no call.
    """

    document: UUID
    state: State
    is_cut_anew: bool
    chunks: int
    embeds: int
    extractions: int
    known: int

    @property
    def is_stale(self) -> bool:
        return self.is_cut_anew or self.embeds > 0 or self.extractions > 0

    @property
    def chunks_made(self) -> int:
        """Return how many chunks are made anew at most: one that is cut as before keeps its results."""
        return self.chunks if self.is_cut_anew else max(self.embeds, self.extractions)

    @property
    def calls(self) -> int:
        """Return how many chunks the extractor is asked about at most."""
        return self.chunks if self.is_cut_anew else self.extractions - self.known
