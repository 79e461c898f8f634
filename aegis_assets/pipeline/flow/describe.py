"""describe: entities of published documents -> descriptions by a language model, where one is configured and may be asked.

Nothing waits for it: the documents are done, and each entity has the sentence that tells most until a model has said more. So
whatever goes wrong here is logged and fails nothing, and an entity that was not described is asked about after the next publish.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Final
from uuid import UUID

from aegis_assets.errors import AegisError, is_outage, public
from aegis_assets.logs import logger
from aegis_assets.model.extraction import Schema
from aegis_assets.model.outbox import Key
from aegis_assets.pipeline.describing import Undescribed
from aegis_assets.pipeline.drain import drain
from aegis_assets.pipeline.flow.platform import Platform
from aegis_assets.pipeline.flow.together import batches
from aegis_assets.pipeline.outbox import Stores
from aegis_assets.pipeline.ports import Describer

SECONDS: Final = 300.0  # for which a run that is done stays for descriptions: the model may be busy with other documents
log = logger(__name__)


async def describe_entities(platform: Platform, documents: Sequence[UUID], run_id: str) -> int:
    """Describe up to `descriptions_per_run` entities of these documents. Return how many were described."""
    left, describer = platform.numbers.descriptions_per_run, platform.describer
    if describer is None or not left or not documents:
        return 0
    described = 0
    try:
        async with asyncio.timeout(SECONDS):
            for batch in batches(await asyncio.to_thread(platform.ledger.documents, documents)):
                asked, keys = await _describe(platform, describer, [row.id for row in batch], batch[0].collection, left)
                left, described = left - asked, described + len(keys)
                stores = Stores(platform.ledger, platform.vectors, platform.graph)
                await asyncio.to_thread(drain, stores, batch[0].collection, keys, run_id=run_id)
    except TimeoutError:
        log.warning("descriptions_out_of_time", described=described)
    except Exception as error:  # noqa: BLE001  a task ends here; what was marked is written by the sweep
        _report("descriptions_given_up", error)
    return described


async def _describe(
    platform: Platform, describer: Describer, documents: Sequence[UUID], collection: UUID, limit: int
) -> tuple[int, set[Key]]:
    """Return how many entities the model was asked about, and what is to be written of those that it described."""
    todo = await asyncio.to_thread(platform.ledger.undescribed, documents, limit)
    schema = (await asyncio.to_thread(platform.ledger.collection, collection)).schema
    keys: set[Key] = set()
    waiting = iter(todo)

    async def work() -> None:
        for one in waiting:
            try:
                keys.update(await _ask(platform, describer, one, schema, documents[0]))
            except Exception as error:  # noqa: BLE001  a task ends here; the others go on
                _report("not_described", error)
                if is_outage(public(error)):
                    deque(waiting, maxlen=0)  # nobody begins another

    async with asyncio.TaskGroup() as group:
        for _ in range(platform.now().parallel_chunks_per_doc):
            group.create_task(work())
    return len(todo), keys


def _report(event: str, error: Exception) -> None:
    if isinstance(error, AegisError):
        log.warning(event, kind=error.kind)
    else:
        log.error(event, exc_info=error)


async def _ask(platform: Platform, describer: Describer, one: Undescribed, schema: Schema, owner: UUID) -> set[Key]:
    slot = partial(platform.lease, describer.lease, owner)
    text = await describer.describe(one.name, one.sentences, schema, slot)
    return await asyncio.to_thread(platform.ledger.save_description, one, text)
