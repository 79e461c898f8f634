"""A text and two schemas -> what the configured extractor returns for each. Nothing is written: not the cache, not the ledger.

The calls go under the leases of running documents and stop within `SECONDS`, waiting for a slot included: somebody sits in front of
the page. What the ledger has of the text under the present schema is taken from there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid4

from asgiref.sync import sync_to_async
from django.utils.translation import gettext as _

from aegis_assets.errors import AegisError
from aegis_assets.model.extraction import Extraction, Schema
from aegis_assets.model.ids import text_hash
from aegis_assets.pipeline.ports import Extractor, Permit, UncountedPermit
from aegis_assets.settings import settings
from aegis_assets.stores.leases import Leases
from webadmin.documents import platform

SECONDS: Final = 120.0


@dataclass(frozen=True)
class Side:
    """problem: why there is no extraction. known: from the ledger, without a call. seconds: of the call."""

    extractor: str
    extraction: Extraction | None = None
    problem: str = ""
    known: bool = False
    seconds: float = 0.0


@dataclass
class _Trial:
    extractor: Extractor
    leases: Leases
    owner: UUID = field(default_factory=uuid4)  # holds nothing yet, so the leases' fairness lets it be next
    waiting: int = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Permit]:
        need = self.extractor.lease
        if need is None:
            yield UncountedPermit()
            return
        self.waiting += 1
        async with self.leases.hold(need[0], need[1], self.owner) as permit:
            self.waiting -= 1
            yield permit


async def compare(text: str, now: Schema, edited: Schema) -> tuple[Side, Side]:
    """Equal schemas cost one call. Raises AegisError where no extractor can be had; what goes wrong with one side is said there."""
    made = await sync_to_async(extractor)()
    leases = Leases.from_settings(settings())
    trial = _Trial(made, leases)
    try:
        if now == edited:
            side = await _side(trial, text, edited)
            return side, side
        before, after = await asyncio.gather(_side(trial, text, now), _side(trial, text, edited))
        return before, after
    finally:
        await leases.close()


def extractor() -> Extractor:
    """Imports and a client: made in a thread."""
    from aegis_assets.engines import chosen
    from aegis_assets.engines.llm.conversation import Retries

    retries = Retries(attempts=2, timeouts=1, refusals=3, outage=5.0, wait_max=2.0, retry_after_max=30.0)
    return chosen.extractor(settings(), platform.engine(), retries, platform.ledger())


async def _side(trial: _Trial, text: str, schema: Schema) -> Side:
    name = trial.extractor.named(schema)
    try:
        known = await sync_to_async(_known)(trial.extractor, text, schema)
        if known is not None:
            return Side(name, known, known=True)
        started = time.monotonic()
        async with asyncio.timeout(SECONDS):
            found = await trial.extractor.extract(text, schema, trial.slot)
        return Side(name, found, seconds=time.monotonic() - started)
    except TimeoutError:
        return Side(name, problem=_late(trial))
    except AegisError as error:
        return Side(name, problem=error.message)


def _known(extractor: Extractor, text: str, schema: Schema) -> Extraction | None:
    key = (text_hash(text), extractor.fingerprint(schema))
    return platform.ledger().cached_extractions([key]).get(key)


def _late(trial: _Trial) -> str:
    if trial.waiting:
        return _("No slot of the language model came free within {} s: running documents have them all. Try again later.").format(
            int(SECONDS)
        )
    return _("The extractor did not answer within {} s.").format(int(SECONDS))
