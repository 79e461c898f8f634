"""What servers of OpenAI's protocol say about a model in /v1/models: each in words of its own, beside those of the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# vLLM and SGLang; LM Studio, OpenRouter and Together; Mistral; Groq; llama.cpp has its own below `meta`.
CONTEXTS: Final = ("max_model_len", "context_length", "max_context_length", "context_window")
ANY_NAME: Final = ("llamacpp",)  # they answer under whatever name they are asked by


def context_of(model: Mapping[str, object]) -> int:
    """Return the tokens that prompt and answer may have together; 0 where the server does not say."""
    meta = model.get("meta")
    sizes = [model.get(name) for name in CONTEXTS] + [meta.get("n_ctx") if isinstance(meta, Mapping) else None]
    return max((size for size in sizes if isinstance(size, int) and size > 0), default=0)


def cannot_see(model: Mapping[str, object]) -> bool:
    """Return whether the server says that the model takes no pictures."""
    architecture = model.get("architecture")
    modalities = architecture.get("input_modalities") if isinstance(architecture, Mapping) else None
    return isinstance(modalities, list) and "image" not in modalities


def takes_any_name(model: Mapping[str, object]) -> bool:
    return model.get("owned_by") in ANY_NAME
