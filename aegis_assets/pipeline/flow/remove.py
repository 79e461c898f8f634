"""remove_document: a document that is being removed -> nothing of it in any store."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from aegis_assets.pipeline.flow.platform import Platform
from aegis_assets.pipeline.remove import REMOVER, remove


def remove_document(platform: Platform, document: UUID, forget: Callable[[], None]) -> None:
    """Twice is once: a document that is gone is gone. forget: see `remove`."""
    remove(document, platform.ledger, platform.vectors, platform.graph, platform.bucket, forget)


def free_removals(platform: Platform) -> None:
    """Let others write what removals before this one have claimed and not written. One that is still at work marks it again."""
    platform.ledger.release_run(REMOVER)
