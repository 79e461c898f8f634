"""What a worker of queues is told, before there is a broker: its queues, its stores, what is urgent."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from aegis_assets.defs.executor import LANES
from aegis_assets.defs.queue_app import app_of, broker_priority
from aegis_assets.defs.worker import queues, require_shared_stores
from aegis_assets.errors import Misconfigured
from aegis_assets.settings import Settings, load
from aegis_assets.stores.broker import QUEUES


def test_a_worker_of_another_machine_needs_stores_that_both_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    monkeypatch.setenv("AEGIS_NEO4J_URL", "bolt://graph:7687")
    with pytest.raises(Misconfigured, match="AEGIS_POSTGRES_URL, AEGIS_DAGSTER_POSTGRES_URL, AEGIS_QDRANT_URL, AEGIS_BUCKET_URL"):
        require_shared_stores(load())
    (tmp_path / "stack.env").touch()
    require_shared_stores(load())


def test_every_lane_has_a_queue_and_what_has_none_another() -> None:
    assert ("run", *LANES) == QUEUES


def test_queues_are_read_as_they_are_typed() -> None:
    assert queues("docling=2,gpu") == queues(" gpu=1 docling=2 ") == {"docling": 2, "gpu": 1}
    for words in ("", "gpu=0", "gpu=x", "parse=1", "gpu=1000"):
        with pytest.raises(Misconfigured):
            queues(words)


def test_what_is_more_urgent_to_dagster_is_to_either_broker() -> None:
    redis, rabbit = (app_of(Settings(celery_broker=SecretStr(url))) for url in ("redis://broker", "amqp://broker"))
    assert [broker_priority(redis, priority) for priority in (0, 3, 99)] == [9, 6, 0], "to Redis 0 is the first"
    assert [broker_priority(rabbit, priority) for priority in (0, 3, 99)] == [0, 3, 9]
