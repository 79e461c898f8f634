"""The platform as a Dagster resource: settings -> engines and stores behind the ports. Built once per process, connected on use."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Final

import dagster as dg

from aegis_assets.engines.chosen import describer, extractor, vision
from aegis_assets.engines.client import EngineClient
from aegis_assets.pipeline.flow.platform import Numbers, Platform
from aegis_assets.settings import settings
from aegis_assets.stores.bolt import TRANSACTION_SECONDS
from aegis_assets.stores.bucket import open_bucket
from aegis_assets.stores.graph import BoltGraph
from aegis_assets.stores.leases import Leases
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.vectors import QdrantVectors
from aegis_assets.stores.watch import Watcher, fetch, open_watcher

PROBE_SECONDS: Final = 1.0  # for which a probe waits for a server that is away
PROBED_GRAPH_SECONDS: Final = 10.0  # one that accepts connections and answers nothing; a sensor's tick may take 60


@lru_cache(maxsize=2)
def build(probing: bool = False) -> Platform:
    """Return the process's platform: pools and clients are shared by all ops that run in it. probing: one that waits for nobody."""
    chosen = settings().model_copy(update={"outage_seconds": PROBE_SECONDS}) if probing else settings()
    engine = EngineClient.from_settings(chosen, 0.0 if probing else math.inf)
    url = chosen.postgres_url.get_secret_value()
    ledger = Ledger(url, chosen.outage_seconds)
    return Platform(
        ledger=ledger,
        bucket=open_bucket(chosen.bucket_address, chosen, chosen.outage_seconds),
        parser=engine,
        vision=vision(chosen, engine, ledger),
        embedder=engine,
        extractor=extractor(chosen, engine, usage=ledger),
        describer=describer(chosen, ledger),
        vectors=QdrantVectors.from_settings(chosen, chosen.outage_seconds),
        graph=BoltGraph.from_settings(chosen, PROBED_GRAPH_SECONDS if probing else TRANSACTION_SECONDS, chosen.outage_seconds),
        leases=Leases.from_settings(chosen, outage_seconds=chosen.outage_seconds),
        numbers=Numbers.of(chosen),
        outage_seconds=chosen.outage_seconds,
        fetch=lambda key, path: fetch(chosen.watch_address, chosen, key, path),
    )


def watcher() -> Watcher:
    """One per process: it remembers what it has seen of the watched bucket."""
    return _watcher_of(settings().watch_address)


@lru_cache(maxsize=1)
def _watcher_of(address: str) -> Watcher:
    return open_watcher(address, settings())


class PlatformResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What ops take. Secrets stay in the settings: nothing of them reaches a run's config."""

    def use(self) -> Platform:
        return build()

    def probe(self) -> Platform:
        """Return one that says at once what does not answer."""
        return build(probing=True)

    def home(self) -> Path:
        return settings().home
