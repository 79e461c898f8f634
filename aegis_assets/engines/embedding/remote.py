"""Texts -> dense vectors by a server at AEGIS_EMBEDDING_URL, and sparse ones by a SPLADE server or our own lexical weights.

It runs in the engine server, which every caller asks for embeddings anyway: one place has the key, knows the model, bounds what is
in flight, and waits after a 429 for all of them; ops and the web process stay as light as they are.

Design note: a text that the server finds too long is embedded in parts, whose mean, weighted by their lengths, is its vector. A
tokenizer that only stands in for the model's counts a little differently, so some chunks of a large document are too long by a few
tokens. Refusing them would make the document partial for that, and cutting them would leave text out of the vector.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from aegis_assets.engines import lexical
from aegis_assets.engines.embedder import RECORDED, tokenizer_path
from aegis_assets.engines.embedding.failures import EMBEDDING_SERVER, Overloaded, Server, TextTooLong
from aegis_assets.engines.embedding.openai_api import OpenAIEmbeddings
from aegis_assets.engines.embedding.served import Api, Served
from aegis_assets.engines.embedding.tei import TeiEmbeddings
from aegis_assets.engines.embedding.vectors import Weights, mean, sparse, unit
from aegis_assets.errors import BadInput, EngineUnavailable, Misconfigured
from aegis_assets.logs import logger
from aegis_assets.model.embedding import EmbedderInfo, Embedding
from aegis_assets.model.ids import fingerprint
from aegis_assets.settings import Settings

Kind = Literal["passage", "query"]
REQUESTS_AT_ONCE: Final = 8  # of passages; queries overtake them. Servers that batch gain nothing from more, others queue them
PATIENCE: Final[dict[Kind, float]] = {"passage": 300.0, "query": 20.0}  # seconds after 429s; somebody looks at a query's page
BACK_OFF: Final = (0.5, 30.0)  # seconds after a 429 without Retry-After, first and most
MOST_PAUSE: Final = 600.0  # seconds: who asks for a day is asked again after ten minutes
INFO_SECONDS: Final = 12.0  # a caller of the engine server waits 15 for what its embedder is
REFRESH_SECONDS: Final = 60.0  # then the server is asked anew which model it runs
PROBE: Final = "How long is a vector?"
DEFAULT_TOKENS: Final = 512  # what BERT and its descendants read; most models read more
MOST_CHUNK_TOKENS: Final = 512  # the length at which a chunk still is about one thing
LEAST_CHUNK_TOKENS: Final = 32
STAND_IN: Final = "all-minilm-l6-v2"  # whose tokenizer counts where the model's own is not there
# Of the model's tokens, that a chunk may have then: SmolLM2's tokenizer counts 0.93 to 1.18 times as many as MiniLM's in English,
# German and code, and 1.5 times in Chinese.
STAND_IN_SHARE: Final = 0.75
PARTS: Final = (
    4  # times that a text is halved, at most: a script that the stand-in does not know has 15 times as many tokens (Thai)
)
log = logger(__name__)


class RemoteEmbedder:
    """For one event loop. Nothing is asked before the first call."""

    def __init__(self, chosen: Settings) -> None:
        """Raises Misconfigured if an address or the tokenizer cannot be used."""
        self._chosen = chosen
        if not chosen.embedding_url:
            raise Misconfigured(f"AEGIS_EMBEDDER is '{chosen.embedder}' and AEGIS_EMBEDDING_URL is empty: set it.")
        self._tokenizer = _tokenizer_name(chosen)
        self._api: Api | None = None
        self._sparse: Api | None = None
        if chosen.embedding_sparse_url:
            server = _server(chosen, "text-embeddings-inference", chosen.embedding_sparse_url, "AEGIS_EMBEDDING_SPARSE_URL")
            self._sparse = TeiEmbeddings(server, chosen.ca_file, sparse=True)
        self._served: tuple[Served, Served | None] | None = None
        self._info: EmbedderInfo | None = None
        self._asked = 0.0
        self._learning = asyncio.Lock()
        self._passages = asyncio.Semaphore(REQUESTS_AT_ONCE)
        self._refusal: Overloaded | None = None
        self._resume_at = 0.0  # the end of the pause that the server asked for, on time.monotonic's clock

    async def info(self) -> EmbedderInfo:
        """Return what the server runs, asked at most every REFRESH_SECONDS. Raises AegisError if that was never known."""
        async with self._learning:
            if self._info is not None and time.monotonic() - self._asked < REFRESH_SECONDS:
                return self._info
            try:
                async with asyncio.timeout(INFO_SECONDS):
                    self._info = await self._learn()
            except TimeoutError as error:
                if self._info is None:
                    raise EngineUnavailable(
                        f"The embedding server did not say within {INFO_SECONDS:g} s which model it runs: it may be loading it.",
                        server=EMBEDDING_SERVER,
                    ) from error
            except EngineUnavailable:
                if self._info is None:
                    raise
            self._asked = time.monotonic()
            return self._info

    async def embed(self, texts: Sequence[str], kind: Kind, batch: int = 0) -> tuple[EmbedderInfo, list[Embedding]]:
        """Return the vectors in the order of the texts, and which model made them. batch: texts of one request, 0 for no limit."""
        info = self._info or await self.info()
        if not texts:
            return await self.info(), []
        api, (served, served_sparse) = await self._connect(), self._served or (Served(""), None)
        prefix = self._chosen.embedding_query_prefix if kind == "query" else self._chosen.embedding_passage_prefix
        dense: list[tuple[float, ...]] = []
        for part in _sliced(texts, min(batch or len(texts), served.max_inputs)):
            rows = await self._in_full(api, part, prefix, kind, lambda row: unit(row, self._dimension(info, row)))
            dense += rows
        if self._sparse is None or served_sparse is None:
            return info, await asyncio.to_thread(_lexical, texts, kind, dense)
        weights: list[Weights] = []
        for part in _sliced(texts, served_sparse.max_inputs):
            weights += [sparse(row) for row in await self._ask(self._sparse, part, kind)]
        return info, [
            Embedding(dense=vector, indices=indices, values=values)
            for vector, (indices, values) in zip(dense, weights, strict=True)
        ]

    async def close(self) -> None:
        for api in (self._api, self._sparse):
            if api is not None:
                await api.close()

    # Which model it is

    async def _connect(self) -> Api:
        if self._api is None:
            self._api = await _connected(self._chosen)
        return self._api

    async def _learn(self) -> EmbedderInfo:
        """Describe the model. Its dimension is that of a vector, computed when the description changes."""
        api = await self._connect()
        described = await api.describe(), await self._sparse.describe() if self._sparse is not None else None
        if self._info is not None and described == self._served:
            return self._info
        (row,) = await self._ask(api, [PROBE], "query")
        dimension = len(unit(row))
        self._served = described
        model, splade = described
        tokens = self._chunk_tokens(model)
        log.info("embedding_server", model=model.name, dimension=dimension, chunk_tokens=tokens)
        return EmbedderInfo(
            name=model.name,
            dimension=dimension,
            sparse="splade" if splade else "lexical",
            max_tokens=tokens,
            fingerprint=fingerprint(
                model=model.name,
                revision=model.revision,
                dimension=dimension,
                prefix=self._chosen.embedding_passage_prefix,
                sparse=(splade.name, splade.revision) if splade else ("lexical", RECORDED),
            ),
            sparse_fingerprint="" if splade else lexical.FINGERPRINT,
            tokenizer=self._tokenizer,
            server=f"{_protocol(api)} at {_address(self._chosen)}",
        )

    def _chunk_tokens(self, served: Served) -> int:
        """Return the most tokens of a chunk, as the chunker counts them."""
        limits = [limit for limit in (self._chosen.embedding_max_tokens, served.max_tokens) if limit]
        read = min(limits) if limits else DEFAULT_TOKENS
        room = read - len(self._chosen.embedding_passage_prefix.encode()) // 2
        if not self._chosen.embedding_tokenizer:
            room = int(room * STAND_IN_SHARE)
        if room < LEAST_CHUNK_TOKENS:
            raise Misconfigured(
                f"The model {served.name} reads {read} tokens of a text, which is too little for a chunk:"
                " choose another, or raise AEGIS_EMBEDDING_MAX_TOKENS."
            )
        return min(MOST_CHUNK_TOKENS, room)

    def _dimension(self, info: EmbedderInfo, row: Any) -> int:
        """Return what a vector must have, and forget the model when it has something else: another one runs there now."""
        if isinstance(row, Sequence) and len(row) != info.dimension:
            self._served = self._info = None
        return info.dimension

    # Requests

    async def _in_full(
        self, api: Api, texts: Sequence[str], prefix: str, kind: Kind, read: Callable[[Any], tuple[float, ...]]
    ) -> list[tuple[float, ...]]:
        """Return a vector per text. Where one of several is too long it is found by halving the request."""
        try:
            rows = await self._ask(api, [prefix + text for text in texts], kind)
        except TextTooLong as error:
            if len(texts) == 1:
                return [await self._of_parts(api, texts[0], prefix, kind, read, error)]
            half = len(texts) // 2
            first = await self._in_full(api, texts[:half], prefix, kind, read)
            return first + await self._in_full(api, texts[half:], prefix, kind, read)
        return [read(row) for row in rows]

    async def _of_parts(
        self, api: Api, text: str, prefix: str, kind: Kind, read: Callable[[Any], tuple[float, ...]], refusal: TextTooLong
    ) -> tuple[float, ...]:
        """Return the mean of the vectors of its halves, quarters and so on, the first that the server takes."""
        pieces = [text]
        for _ in range(PARTS):
            pieces = [half for piece in pieces for half in _halves(piece)]
            try:
                rows = await self._ask(api, [prefix + piece for piece in pieces], kind)
            except TextTooLong:
                continue
            log.warning("text_embedded_in_parts", parts=len(pieces), characters=len(text))
            return mean([read(row) for row in rows], [len(piece) for piece in pieces])
        raise BadInput(
            f"A text of {len(text)} characters is too long for the embedding server, also in {2**PARTS} parts:"
            " lower AEGIS_EMBEDDING_MAX_TOKENS to what its model reads."
        ) from refusal

    async def _ask(self, api: Api, texts: Sequence[str], kind: Kind) -> list[Any]:
        """Send one request when its turn comes, and again after each 429, for as long as its caller is patient."""
        if kind == "query":
            return await self._until_taken(api, texts, PATIENCE[kind])
        async with self._passages:
            return await self._until_taken(api, texts, PATIENCE[kind])

    async def _until_taken(self, api: Api, texts: Sequence[str], patience: float) -> list[Any]:
        """The pause is everybody's: requests that come meanwhile would only be refused too, and prolong it.

        Raises the server's last refusal if the pause is longer than the caller's patience.
        """
        deadline, pause = time.monotonic() + patience, BACK_OFF[0]
        while True:
            while (wait := self._resume_at - time.monotonic()) > 0:
                if self._resume_at > deadline and self._refusal is not None:
                    raise Overloaded(self._refusal.message, wait) from self._refusal
                await asyncio.sleep(wait)
            try:
                return await api.embed(texts)
            except Overloaded as error:
                asked = min(MOST_PAUSE, error.after if error.after is not None else pause)
                self._resume_at = max(self._resume_at, time.monotonic() + asked + random.uniform(0, 0.1 + asked / 10))
                self._refusal = error
                pause = min(2 * pause, BACK_OFF[1])


async def _connected(chosen: Settings) -> Api:
    """Make the client. With AEGIS_EMBEDDER=auto and an address without a path, GET /info tells which of both protocols it is."""
    if chosen.embedder == "openai" or (chosen.embedder == "auto" and urlsplit(chosen.embedding_url).path.strip("/")):
        return OpenAIEmbeddings(_server(chosen, "OpenAI", _with_path(chosen.embedding_url)), chosen.ca_file)
    tei = TeiEmbeddings(_server(chosen, "text-embeddings-inference", chosen.embedding_url), chosen.ca_file)
    if chosen.embedder == "tei":
        return tei
    known = False
    try:
        known = await tei.info() is not None
    finally:
        if not known:
            await tei.close()
    return tei if known else OpenAIEmbeddings(_server(chosen, "OpenAI", _with_path(chosen.embedding_url)), chosen.ca_file)


def _server(
    chosen: Settings, protocol: Literal["OpenAI", "text-embeddings-inference"], url: str, setting: str = "AEGIS_EMBEDDING_URL"
) -> Server:
    key = chosen.embedding_api_key.get_secret_value()
    return Server(protocol, url, key, chosen.embedding_model, chosen.embedding_timeout, setting)


def _with_path(url: str) -> str:
    """Every OpenAI-compatible server has its routes under /v1, unless the address says where else."""
    return url if urlsplit(url).path.strip("/") else f"{url.rstrip('/')}/v1"


def _protocol(api: Api) -> str:
    return "text-embeddings-inference" if isinstance(api, TeiEmbeddings) else "OpenAI-compatible"


def _address(chosen: Settings) -> str:
    return _server(chosen, "OpenAI", chosen.embedding_url).address


def _tokenizer_name(chosen: Settings) -> str:
    """Return what tells this tokenizer from others: chunks that another one counted are cut anew."""
    file = tokenizer_path(chosen) / "tokenizer.json"
    return fingerprint(tokenizer=file.read_text()) if chosen.embedding_tokenizer else STAND_IN


def _sliced(texts: Sequence[str], size: int) -> list[Sequence[str]]:
    return [texts[start : start + size] for start in range(0, len(texts), size)]


def _halves(text: str) -> list[str]:
    """Cut at the blank that is nearest to the middle, where one is near it."""
    middle = len(text) // 2
    blank = text.rfind(" ", middle // 2, middle + 1)
    cut = blank if blank > 0 else middle
    return [half for half in (text[:cut], text[cut:]) if half]


def _lexical(texts: Sequence[str], kind: Kind, dense: Sequence[tuple[float, ...]]) -> list[Embedding]:
    return [lexical.embed(text, kind, row) for text, row in zip(texts, dense, strict=True)]
