"""The platform as a Dagster resource: settings -> engines and stores behind the ports. Built once per process, connected on use."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import dagster as dg

from aegis_assets.engines.client import EngineClient, OcrVision, SpacyClient
from aegis_assets.engines.ollama import OllamaExtractor
from aegis_assets.engines.ollama_vision import OllamaVision
from aegis_assets.pipeline.flow.platform import Numbers, Platform
from aegis_assets.pipeline.ports import Extractor, Vision
from aegis_assets.settings import Settings, settings
from aegis_assets.stores.bucket import open_bucket
from aegis_assets.stores.graph import BoltGraph
from aegis_assets.stores.leases import Leases
from aegis_assets.stores.ledger import Ledger
from aegis_assets.stores.vectors import QdrantVectors
from aegis_assets.stores.watch import fetch


@lru_cache(maxsize=1)
def build() -> Platform:
    """One per process: pools and clients are shared by all ops that run in it."""
    chosen = settings()
    engine = EngineClient.from_settings(chosen)
    url = chosen.postgres_url.get_secret_value()
    return Platform(
        ledger=Ledger(url),
        bucket=open_bucket(chosen.bucket_address, chosen),
        parser=engine,
        vision=vision(chosen, engine),
        embedder=engine,
        extractor=extractor(chosen, engine),
        vectors=QdrantVectors.from_settings(chosen),
        graph=BoltGraph.from_settings(chosen),
        leases=Leases(url, {"ollama": chosen.ollama_max_concurrent, "vram": chosen.vram_budget_mb}),
        numbers=Numbers(
            parallel_chunks_per_doc=chosen.parallel_chunks_per_doc,
            embedding_batch_size=chosen.embedding_batch_size,
            window_pages=chosen.window_pages,
            window_chunks=chosen.window_chunks,
        ),
        fetch=lambda key, path: fetch(chosen.watch_address, chosen, key, path),
    )


def vision(chosen: Settings, engine: EngineClient) -> Vision:
    return OllamaVision.from_settings(chosen) if chosen.ollama_url and chosen.vision_model else OcrVision(engine)


def extractor(chosen: Settings, engine: EngineClient) -> Extractor:
    return OllamaExtractor.from_settings(chosen) if chosen.extractor_engine == "ollama" else SpacyClient(engine)


class PlatformResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What ops take. Secrets stay in the settings: nothing of them reaches a run's config."""

    def use(self) -> Platform:
        return build()

    def home(self) -> Path:
        return settings().home
