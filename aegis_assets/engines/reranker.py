"""A question and texts -> how well each answers it, by FlagEmbedding's cross-encoder (bge-reranker).

It reads question and text together, which an embedder cannot: more exact, and too slow for more than the first hits of a search.
Loaded in a child of the engine server when the first search wants it, and gone with the child when none has for a while.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from aegis_assets.engines.forward import OncePerBatch
from aegis_assets.engines.torch_device import prepare_device
from aegis_assets.errors import EngineFailed, Misconfigured

FILES: Final = ("config.json", "tokenizer.json")
WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")
HEAD: Final = "ForSequenceClassification"  # without one, transformers invents a random one and says so only in a log
MAX_TOKENS: Final = 512  # of question and text together: what bge-reranker was trained at
BATCH: Final = 16


def weights(path: Path) -> Path:
    """Return the file of the weights. Raises Misconfigured if the directory is none of a reranker's."""
    missing = [name for name in FILES if not (path / name).is_file()]
    there = [path / name for name in WEIGHTS if (path / name).is_file()]
    if not there:
        missing.append("model.safetensors or pytorch_model.bin")
    if missing:
        raise Misconfigured(f"AEGIS_RERANKER_PATH is not a directory with a reranker's weights: {', '.join(missing)} missing.")
    if not any(name.endswith(HEAD) for name in _architectures(path / "config.json")):
        raise Misconfigured("AEGIS_RERANKER_PATH has no head that scores: an embedder is no reranker. Correct the path.")
    return there[0]


def rank(path: Path, device: str, query: str, texts: Sequence[str]) -> list[float]:
    """Return a score from 0 to 1 for each text. Not thread-safe: one process, one caller."""
    if not texts:
        return []
    model, once = _loaded(path, device)
    with _quiet():
        scores = model.compute_score([(query, text) for text in texts], batch_size=BATCH, max_length=MAX_TOKENS, normalize=True)
    once.forget()
    found = [float(score) for score in scores]
    if len(found) != len(texts) or not all(map(math.isfinite, found)):
        raise EngineFailed("The reranker returned scores that are no numbers.", retryable=False)
    return found


def _architectures(config: Path) -> list[str]:
    try:
        return [str(name) for name in json.loads(config.read_text())["architectures"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


@lru_cache(maxsize=1)
def _loaded(path: Path, device: str) -> tuple[Any, OncePerBatch]:
    from FlagEmbedding import FlagReranker
    from safetensors import SafetensorError

    weights(path)
    prepare_device(device, "AEGIS_RERANKER_DEVICE")
    try:
        with _quiet():
            model = FlagReranker(str(path), use_fp16=device != "cpu", devices=[device], trust_remote_code=False)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise Misconfigured(
            f"The reranker's weights cannot be loaded ({type(error).__name__}): check AEGIS_RERANKER_PATH."
        ) from error
    if getattr(model.model.config, "num_labels", 1) != 1:
        raise Misconfigured("AEGIS_RERANKER_PATH has a classifier of several classes and not a reranker: correct the path.")
    once = OncePerBatch(model.model.forward)  # it too computes its first batch twice
    model.model.forward = once
    return model, once


@contextlib.contextmanager
def _quiet() -> Any:
    """FlagEmbedding draws progress bars, and no option stops it."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield
