"""Settings -> the engines behind the ports Vision and Extractor. The heavy ones stay behind the engine server's client."""

from __future__ import annotations

from aegis_assets.engines.client import EngineClient
from aegis_assets.engines.extractor_client import ExtractorClient
from aegis_assets.engines.llm.budget import Budget, MonthlyBudget, unlimited
from aegis_assets.engines.llm.client import Client
from aegis_assets.engines.llm.conversation import Conversation, Retries
from aegis_assets.engines.llm.describer import LanguageModelDescriber
from aegis_assets.engines.llm.extractor import LanguageModelExtractor
from aegis_assets.engines.llm.patience import Limits
from aegis_assets.engines.llm.vision import LanguageModelVision
from aegis_assets.engines.ocr_vision import OcrVision
from aegis_assets.pipeline.ports import Describer, Extractor, TokenUsage, Vision
from aegis_assets.settings import Settings


def vision(settings: Settings, engine: EngineClient, usage: TokenUsage | None = None) -> Vision:
    return language_model_vision(settings, usage) if sees(settings) else OcrVision(engine)


def extractor(
    settings: Settings, engine: EngineClient, retries: Retries | None = None, usage: TokenUsage | None = None
) -> Extractor:
    """retries: of a language model, where the caller has less time than a run. usage: where the tokens of a server that is paid for
    are counted."""
    if settings.extracts_locally:
        return ExtractorClient.from_settings(settings, engine)
    return language_model_extractor(settings, retries, usage)


def describer(settings: Settings, usage: TokenUsage | None = None) -> Describer | None:
    """Return what describes entities: the model that extracts, or nothing. A server that is away is not waited for."""
    if settings.extracts_locally:
        return None
    return LanguageModelDescriber(
        _conversation(_extracting(settings), settings, Retries(attempts=2, refusals=2, outage=0.0), usage)
    )


def sees(settings: Settings) -> bool:
    """Return whether a language model describes pictures."""
    return bool(settings.vision_model and settings.language_server)


def language_model_extractor(
    settings: Settings, retries: Retries | None = None, usage: TokenUsage | None = None
) -> LanguageModelExtractor:
    return LanguageModelExtractor(_conversation(_extracting(settings), settings, retries, usage), settings.llm_gleanings)


def _extracting(settings: Settings) -> Client:
    if settings.extractor_engine == "openai":
        return _client(settings, settings.llm_model, "AEGIS_LLM_MODEL")
    return _client(settings, settings.ollama_model, "AEGIS_OLLAMA_MODEL")


def language_model_vision(settings: Settings, usage: TokenUsage | None = None) -> LanguageModelVision:
    client = _client(settings, settings.vision_model, "AEGIS_VISION_MODEL")
    return LanguageModelVision(_conversation(client, settings, None, usage))


def _client(settings: Settings, model: str, model_setting: str) -> Client:
    if settings.language_server == "openai":
        from aegis_assets.engines.llm.openai_client import OpenAiClient  # here: its import takes a second that Ollama's users save

        return OpenAiClient.from_settings(settings, model, model_setting)
    from aegis_assets.engines.llm.ollama_client import OllamaClient

    return OllamaClient.from_settings(settings, model, model_setting)


def _conversation(client: Client, settings: Settings, retries: Retries | None, usage: TokenUsage | None) -> Conversation:
    budget: Budget = unlimited
    if settings.language_server == "openai" and usage is not None:
        budget = MonthlyBudget(usage, settings.llm_monthly_tokens)
    return Conversation(client, Limits.from_settings(settings), retries or Retries(outage=settings.outage_seconds), budget)
