"""How long a request waits: in the server's queue, between tokens, and after a refusal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from aegis_assets.engines.llm.conversation import Retries
from aegis_assets.engines.llm.patience import Limits
from aegis_assets.engines.llm.retry_after import seconds_of
from aegis_assets.errors import EngineUnavailable
from aegis_assets.pipeline.ports import Permit, UncountedPermit
from tests.doubles.ollama import OllamaDouble
from tests.engines.llm.asked import ANY, TEXT, extractor


class Recorder(UncountedPermit):
    """A Permit that knows of all requests, as the one of the lease table does. told: what was reported."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.held = self.most_held = 0

    def first_token(self) -> None:
        super().first_token()
        self.told.append("first token")

    def finished(self, tokens: int) -> None:
        super().finished(tokens)
        assert tokens > 0
        self.told.append("finished")

    def refused(self) -> None:
        self.told.append("refused")

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Permit]:
        self.held += 1
        self.most_held = max(self.held, self.most_held)
        try:
            yield self
        finally:
            self.held -= 1


def test_a_permit_hears_of_the_first_token_of_progress_and_of_the_end(ollama: OllamaDouble) -> None:
    permit = Recorder()
    asyncio.run(extractor(ollama).extract(TEXT, ANY, permit.slot))
    assert permit.told == ["first token", "finished"]


def test_the_wait_for_a_first_token_starts_anew_while_other_requests_make_progress(ollama: OllamaDouble) -> None:
    """Six answers of 0.4 s through one slot: the last waits for 2 s, five times its limit without that."""
    ollama.configure(slots=1, latency="constant:0.4", first_token=0.5)
    permit = Recorder()
    engine = extractor(ollama, Limits(first_token=0.8))

    async def together() -> None:
        await asyncio.gather(*(engine.extract(f"Neo4j stores Graph{n}.", ANY, permit.slot) for n in range(6)))

    asyncio.run(together())
    assert ollama.stats()["received"] == ollama.stats()["answered"] == 6


def test_a_wait_for_a_first_token_that_passed_its_limit_counts_as_a_refusal(ollama: OllamaDouble) -> None:
    ollama.fault("never")
    permit = Recorder()
    with pytest.raises(EngineUnavailable):
        asyncio.run(extractor(ollama, Limits(first_token=0.2)).extract(TEXT, ANY, permit.slot))
    assert permit.told == ["refused", "refused"]


@pytest.mark.parametrize("status", ["429", "503"])
def test_a_server_is_asked_again_when_it_said_and_no_slot_is_held_meanwhile(ollama: OllamaDouble, status: str) -> None:
    ollama.fault(status, times=1, retry_after="1.5")
    permit = Recorder()

    async def asked() -> list[int]:
        task = asyncio.create_task(extractor(ollama).extract(TEXT, ANY, permit.slot))
        while "refused" not in permit.told:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        held = [permit.held]
        await task
        return held

    started = time.monotonic()
    assert asyncio.run(asked()) == [0]
    assert time.monotonic() - started >= 1.5
    assert permit.told == ["refused", "first token", "finished"]


def test_a_server_that_wants_to_be_left_alone_for_ever_is_asked_when_the_cap_says(ollama: OllamaDouble) -> None:
    ollama.fault("429", times=1, retry_after="100000")
    engine = extractor(ollama, retries=Retries(retry_after_max=0.1, wait_jitter=0.01))
    assert asyncio.run(engine.extract(TEXT, ANY)).calls == 2


def test_refusals_do_not_use_up_the_attempts_for_faults(ollama: OllamaDouble) -> None:
    for fault in ("429", "503", "429", "503", "junk", "500"):
        ollama.fault(fault, times=1)
    engine = extractor(ollama, retries=Retries(wait_initial=0.01, wait_max=0.02, wait_jitter=0.01))
    assert asyncio.run(engine.extract(TEXT, ANY)).calls == 7


def test_a_header_that_says_when_is_read_in_all_its_forms() -> None:
    assert seconds_of("7") == 7.0
    assert seconds_of("-1") == 0.0
    soon = seconds_of(format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True))
    assert soon is not None
    assert 50 < soon <= 60
    assert seconds_of("") is None
    assert seconds_of("tomorrow") is None


def test_a_server_that_is_started_again_is_waited_for(ollama: OllamaDouble) -> None:
    """It is away at the first request, and back within the outage that a setting allows."""
    double = OllamaDouble()
    with double:
        port = int(double.url.rpartition(":")[2])
    engine = extractor(double, retries=Retries(outage=60.0, wait_initial=0.05, wait_max=0.2, wait_jitter=0.01))

    async def restarted() -> int:
        task = asyncio.create_task(engine.extract(TEXT, ANY))
        await asyncio.sleep(0.5)
        assert not task.done()
        with OllamaDouble(port=port):
            return (await task).calls

    assert asyncio.run(restarted()) > 1
