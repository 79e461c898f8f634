"""Settings -> the engines behind the ports Vision and Extractor. The heavy ones stay behind the engine server's client."""

from __future__ import annotations

from aegis_assets.engines.client import EngineClient, OcrVision
from aegis_assets.engines.ollama import OllamaExtractor
from aegis_assets.engines.ollama_chat import Retries
from aegis_assets.engines.ollama_vision import OllamaVision
from aegis_assets.engines.spacy_client import SpacyClient
from aegis_assets.pipeline.ports import Extractor, Vision
from aegis_assets.settings import Settings


def vision(settings: Settings, engine: EngineClient) -> Vision:
    return OllamaVision.from_settings(settings) if settings.ollama_url and settings.vision_model else OcrVision(engine)


def extractor(settings: Settings, engine: EngineClient, retries: Retries | None = None) -> Extractor:
    """retries: of a language model, where the caller has less time than a run."""
    return OllamaExtractor.from_settings(settings, retries) if settings.extractor_engine == "ollama" else SpacyClient(engine)
