"""All settings, and the only place that reads the environment.

Order, first wins: environment (AEGIS_*), files of AEGIS_SECRETS_DIR (secret_files.py), `stack.env` in AEGIS_HOME (written by the
stack: ports and generated passwords, 0600), `config/parallelization.yml`, the defaults below.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from aegis_assets.errors import Misconfigured
from aegis_assets.parallelization import Parallelization, read_parallelization
from aegis_assets.secret_files import SecretFiles, with_password

ROOT = Path(__file__).resolve().parents[1]
MOUNTED_SECRETS = Path("/run/secrets")
OWNER = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|team:[\w-]+")
TEXTS_QUEUE_SECONDS = 7200.0  # a batch of texts goes to the embedder in two or three turns of half an hour at most


def home() -> Path:
    """The one data directory: AEGIS_HOME, by default `.aegis` beside the code."""
    return Path(os.environ.get("AEGIS_HOME") or ROOT / ".aegis").resolve()


def secrets_directory() -> Path | None:
    """Return where secrets lie as files: AEGIS_SECRETS_DIR, or /run/secrets where a container has it."""
    if directory := os.environ.get("AEGIS_SECRETS_DIR"):
        return Path(directory)
    return MOUNTED_SECRETS if MOUNTED_SECRETS.is_dir() else None


def parallelization() -> Parallelization:
    """Return the table of AEGIS_PARALLELIZATION, by default config/parallelization.yml, with AEGIS_PROFILE chosen."""
    path = Path(os.environ.get("AEGIS_PARALLELIZATION") or ROOT / "config" / "parallelization.yml")
    return read_parallelization(path, os.environ.get("AEGIS_PROFILE", ""))


def _limit(name: str, *others: str) -> AliasChoices:
    return AliasChoices(f"AEGIS_{name.upper()}", *others, name)


class Settings(BaseSettings):
    """Every field is AEGIS_<NAME> in the environment; an empty variable is an absent one."""

    model_config = SettingsConfigDict(
        env_prefix="AEGIS_", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    home: Annotated[Path, AfterValidator(Path.resolve)] = Field(default_factory=home)

    # Addresses. Servers listen on `listen` alone.
    listen: str = "127.0.0.1"
    admin_port: int = 8000
    dagster_port: int = 3000
    code_port: int = 4011
    engine_port: int = 8011
    postgres_port: int = 5442
    bolt_port: int = 7697
    graph_http_port: int = 2490
    dagster_url: str = ""  # Dagster's page as the admin reaches it; empty: this machine's
    dagster_run_days: int = Field(90, ge=1, le=36_500)  # for which ended runs and their logs are kept
    dagster_owners: str = ""  # of the assets on that page, with commas: e-mail addresses and team:NAME
    # Where Dagster's code server listens and is found. It has no login: never a public address.
    code_host: str = "127.0.0.1"
    # Names, endings of names and networks, beside the private ones, whose servers are spoken to directly and without https
    near_hosts: str = ""

    # Stores. Empty means the embedded one.
    postgres_password: SecretStr = SecretStr("")  # of the address below, where it names none
    postgres_url: SecretStr = SecretStr("")
    dagster_postgres_url: SecretStr = SecretStr("")
    neo4j_url: str = ""
    neo4j_user: str = "neo4j"
    neo4j_password: SecretStr = SecretStr("")
    neo4j_database: str = ""  # empty: the server's default
    neo4j_typed: bool = False  # entities carry their type as a label, relations of the schema theirs as relationship type
    neo4j_vectors: bool = False  # chunks carry their embedding, in the server's own vector and full-text indexes
    qdrant_url: str = ""
    qdrant_api_key: SecretStr = SecretStr("")
    # What a point carries beside its ids: with "text" LangChain and LlamaIndex can read a collection, and Qdrant needs more memory.
    qdrant_payload: Literal["ids", "text"] = "ids"
    bucket_url: str = ""  # file:///path or s3://bucket/prefix; empty: <home>/bucket
    s3_endpoint: str = ""
    s3_access_key: SecretStr = SecretStr("")
    s3_secret_key: SecretStr = SecretStr("")
    s3_region: str = "us-east-1"
    ca_file: str = (
        ""  # certificate authorities (PEM) that every https, bolt+s and neo4j+s server may be signed by, beside the usual
    )

    # The bucket that a sensor watches. Empty: <home>/inbox
    watch_url: str = ""
    watch_collection: str = "default"
    watch_settle_seconds: float = 2.0
    watch_seconds: int = Field(0, ge=0, le=86_400)  # between two looks; 0: 1 for a directory, 30 for S3, which is paid for

    # Engines
    engine_url: str = ""  # the resident engine server; empty: this machine's
    engine_token: SecretStr = SecretStr("")
    # What the engine server parses at once, and cuts into chunks; 0: by its cores and memory. Half as many pictures.
    engine_slots: NonNegativeInt = Field(0, le=256)
    engine_queue_seconds: PositiveFloat = 21_600.0  # for which a run's call waits for one of these slots; no failure until then
    docling_serve_url: str = ""
    docling_serve_api_key: SecretStr = SecretStr("")
    # Which pixels it reads: of windows with a scanned page; of pictures too; of every page instead of its text; none
    docling_serve_ocr: Literal["auto", "on", "force", "off"] = "auto"
    docling_serve_ocr_languages: str = ""  # as en,de; empty: its engine's own
    docling_serve_table_mode: Literal["accurate", "fast"] = "accurate"
    docling_serve_headings: bool = True  # levels of headings; else all are of one
    docling_serve_picture_scale: float = Field(2.0, gt=0, le=10)  # pixels of a picture per point
    docling_serve_document_timeout: float = Field(0.0, ge=0)  # seconds until it gives a conversion up; 0: its own limit
    parser: Literal["auto", "rules", "docling", "docling-serve"] = "auto"
    ollama_url: str = ""
    ollama_model: str = "qwen3:32b"
    ollama_num_ctx: PositiveInt = 8192
    ollama_num_predict: PositiveInt = 2048
    ollama_keep_alive: str = "30m"  # how long the server keeps the model loaded after a request
    llm_url: str = ""  # an OpenAI-compatible server instead of Ollama: vLLM, SGLang, llama.cpp, LM Studio, LiteLLM, a paid API
    llm_model: str = ""
    llm_api_key: SecretStr = SecretStr("")
    llm_context: NonNegativeInt = 0  # tokens of prompt and answer together; 0: what the server says
    llm_max_tokens: PositiveInt = 2048  # of one answer
    llm_monthly_tokens: NonNegativeInt = 0  # of all processes together in a calendar month (UTC); 0: no limit
    # Options and limits of the language model, whichever server it is behind.
    llm_temperature: float = Field(0.0, ge=0, le=2)
    llm_seed: int = 7
    llm_think: Literal["auto", "off", "on", "low", "medium", "high"] = "auto"  # auto: off with Ollama, the model's own otherwise
    llm_first_token_timeout: PositiveFloat = 1800.0  # seconds of a request in the server's queue while none of ours gets on
    # How often a model is asked what it left out of a chunk's answer. Each costs the chunk again and half an answer.
    llm_gleanings: NonNegativeInt = Field(0, le=3)
    # How many entities a run may have described after it has published its documents: a request each. 0: none.
    llm_descriptions: NonNegativeInt = 0
    llm_token_gap: PositiveFloat = 60.0  # seconds between two tokens
    ollama_timeout: PositiveFloat = 180.0  # seconds from an answer's first token to its last, with any server
    vision_model: str = ""
    extractor: Literal["auto", "ollama", "openai", "spacy", "gliner"] = "auto"
    # {"fr": "fr_core_news_md"}: a spaCy model for a language (ISO 639), a package or path; English has one, others give names only
    spacy_models: dict[str, str] = Field(default_factory=dict)
    gliner_path: str = ""  # directory of a GLiNER2 checkpoint
    gliner_device: str = ""  # empty: embedder_device
    gliner_threshold: float = Field(0.5, gt=0, lt=1)  # the score that a name needs
    # auto: the server at embedding_url (text-embeddings-inference, or else an OpenAI-compatible one), without it MiniLM
    embedder: Literal["auto", "minilm", "bge-m3", "openai", "tei"] = "auto"
    embedder_path: str = ""  # directory of BGE-M3's weights
    embedder_device: str = "cpu"
    embedding_url: str = ""
    embedding_model: str = ""  # empty: the only model that the server has
    embedding_api_key: SecretStr = SecretStr("")
    embedding_sparse_url: str = ""  # text-embeddings-inference with SPLADE pooling; empty: sparse vectors are lexical
    embedding_max_tokens: int = Field(0, ge=0)  # of a text, that the model reads; 0: what the server says, else 512
    embedding_tokenizer: str = ""  # the model's tokenizer.json; empty: MiniLM's stands in for it, with a margin
    embedding_query_prefix: str = ""  # "query: " and "passage: " for E5, whose vectors are poor without
    embedding_passage_prefix: str = ""
    embedding_timeout: float = Field(120.0, gt=0)  # one request, with its time in the server's queue
    reranker_path: str = ""  # directory of bge-reranker's weights; empty: hits stay as the search fused them
    reranker_device: str = ""  # empty: embedder_device
    rerank_hits: int = Field(40, ge=1, le=200)  # the first hits of a search, which the reranker orders
    rerank_timeout: float = Field(30.0, gt=0)  # loading the model included; after it the search answers without

    # Who executes the ops of a run. A run of a few pages stays in its own process, whatever this says.
    executor: Literal["threads", "celery", "k8s"] = "threads"
    celery_password: SecretStr = SecretStr("")  # of the address below, where it names none
    celery_broker: SecretStr = SecretStr("")  # redis://... or amqp://...
    # Of this machine's worker: steps at once; or "none".
    worker_queues: str = "run=2,docling=2,enrich=2,gpu=2,ollama=4"

    # Guards
    outage_seconds: float = Field(120.0, ge=0, le=86_400)  # for which a run's calls wait for a server that is away or starting
    outage_hours: float = Field(72.0, ge=0, le=100_000)  # for which a document then waits, and is tried again, until it fails
    max_file_mb: PositiveInt = 200
    max_pages: PositiveInt = 20000
    parse_timeout: float = 300.0  # one window
    parse_memory_mb: PositiveInt = 1400  # one parser child
    picture_min_pixels: PositiveInt = 64  # shorter side of a picture that gets a description

    # config/parallelization.yml
    parallel_documents: PositiveInt = Field(2, le=256, validation_alias=_limit("parallel_documents"))
    parallel_chunks_per_doc: PositiveInt = Field(
        4, le=1024, validation_alias=_limit("parallel_chunks_per_doc", "GRAPH_EXTRACTION_WORKERS")
    )
    ollama_max_concurrent: PositiveInt = Field(8, le=1024, validation_alias=_limit("ollama_max_concurrent"))
    # auto: requests in flight are found out, between 1 and ollama_max_concurrent. fixed: they are as many as that.
    ollama_limit: Literal["auto", "fixed"] = Field("auto", validation_alias=_limit("ollama_limit"))
    embedding_batch_size: PositiveInt = Field(16, le=256, validation_alias=_limit("embedding_batch_size", "EMBEDDING_BATCH_SIZE"))
    window_pages: PositiveInt = Field(16, le=1000, validation_alias=_limit("window_pages"))
    window_chunks: PositiveInt = Field(64, le=10_000, validation_alias=_limit("window_chunks"))
    vram_budget_mb: PositiveInt = Field(5500, le=4_000_000, validation_alias=_limit("vram_budget_mb"))

    # Web
    secret_key: SecretStr = SecretStr("")
    admin_password: SecretStr = SecretStr("")  # of the user admin when it is made; empty: one is generated and printed once
    debug: bool = False
    allowed_hosts: str = "127.0.0.1,localhost"
    production: bool = False
    # Addresses or networks of proxies in front, whose X-Forwarded-For and -Proto are believed; empty: nobody's
    trusted_proxies: str = ""
    tls_cert: str = ""  # PEM files of the admin's own https: the certificate with its chain, and its key
    tls_key: str = ""
    plain_http: bool = False  # the admin may listen beyond this machine without https; the console reminds of it
    session_idle_minutes: int = Field(480, ge=1, le=525_600)  # without a click, until a session ends
    session_hours: int = Field(168, ge=1, le=8760)  # from the log-in, until it ends in any case
    streams_per_user: PositiveInt = 50  # of events, open at once; a page is one
    streams_per_token: PositiveInt = 10
    api_requests_per_minute: NonNegativeInt = 3000  # by one token or user, or from one address of somebody unknown; 0: no limit
    # Who may read /metrics without an API token: nobody, or whoever asks from this machine and through no proxy.
    metrics_open_to: Literal["nobody", "loopback"] = "nobody"
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(lambda word: str(word).upper())
    ] = "INFO"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        table, directory = parallelization(), secrets_directory()
        file = InitSettingsSource(settings_cls, {**table.default, **table.chosen})
        secrets = () if directory is None else (SecretFiles(settings_cls, directory),)
        return (init_settings, env_settings, *secrets, dotenv_settings, file)

    @model_validator(mode="after")
    def _with_passwords(self) -> Self:
        """Put the passwords that came in files of their own into the addresses that need them."""
        for name in ("postgres_url", "dagster_postgres_url"):
            self.__dict__[name] = with_password(getattr(self, name), self.postgres_password)
        self.__dict__["celery_broker"] = with_password(self.celery_broker, self.celery_password)
        return self

    # What the empty addresses mean.
    @property
    def stack_env(self) -> Path:
        return self.home / "stack.env"

    @property
    def engine_address(self) -> str:
        return self.engine_url or f"http://127.0.0.1:{self.engine_port}"

    @property
    def dagster_address(self) -> str:
        return self.dagster_url or f"http://127.0.0.1:{self.dagster_port}"

    @property
    def owners(self) -> list[str]:
        """Return the owners of the assets. Raises Misconfigured for what Dagster would not take."""
        owners = [owner.strip() for owner in self.dagster_owners.split(",") if owner.strip()]
        if wrong := [owner for owner in owners if not OWNER.fullmatch(owner)]:
            raise Misconfigured(f"AEGIS_DAGSTER_OWNERS: {wrong[0]!r} is neither an e-mail address nor team:NAME.")
        return owners

    @property
    def admin_address(self) -> str:
        return f"{'https' if self.tls_cert else 'http'}://127.0.0.1:{self.admin_port}"

    @property
    def graph_address(self) -> str:
        return self.neo4j_url or f"bolt://127.0.0.1:{self.bolt_port}"

    @property
    def bucket_address(self) -> str:
        return self.bucket_url or (self.home / "bucket").as_uri()

    @property
    def watch_address(self) -> str:
        return self.watch_url or (self.home / "inbox").as_uri()

    @property
    def watch_interval(self) -> int:
        """Seconds between two looks at the watched bucket."""
        return self.watch_seconds or (1 if self.watch_address.startswith("file:") else 30)

    @property
    def kept_here(self) -> tuple[str, ...]:
        """Settings of what is a directory that only this machine has. A file:/// bucket named by hand may be everybody's mount."""
        return tuple(
            name for name, value in (("AEGIS_BUCKET_URL", self.bucket_url), ("AEGIS_QDRANT_URL", self.qdrant_url)) if not value
        )

    @property
    def vectors_path(self) -> Path:
        return self.home / "vectors"

    @property
    def max_file_bytes(self) -> int:
        """The one meaning of MAX_FILE_MB, wherever a file comes in."""
        return self.max_file_mb * 1_000_000

    @property
    def longest_call_seconds(self) -> float:
        """Seconds after which no call of a run to an engine can still come back: its wait for a slot or behind the texts of others,
        the call itself, and an outage."""
        return self.engine_queue_seconds + 3 * self.parse_timeout + TEXTS_QUEUE_SECONDS + self.outage_seconds

    @property
    def embeds_by_url(self) -> bool:
        return self.embedder in ("openai", "tei") or (self.embedder == "auto" and bool(self.embedding_url))

    @property
    def local_embedder(self) -> Literal["minilm", "bge-m3"]:
        """Whose weights the engine server loads, and whose tokenizer counts, where no server embeds."""
        return "bge-m3" if self.embedder == "bge-m3" else "minilm"

    @property
    def extractor_engine(self) -> Literal["ollama", "openai", "spacy", "gliner"]:
        if self.extractor == "auto":
            return self.language_server or "spacy"
        return self.extractor

    @property
    def extracts_locally(self) -> bool:
        """Return whether the engine server extracts, and no language model."""
        return self.extractor_engine in ("spacy", "gliner")

    @property
    def language_server(self) -> Literal["ollama", "openai", ""]:
        """The server that extracts, where a language model does, and describes pictures. Raises Misconfigured where two could."""
        if self.extractor in ("ollama", "openai"):
            return "openai" if self.extractor == "openai" else "ollama"
        if self.ollama_url and self.llm_url and (self.extractor == "auto" or self.vision_model):
            raise Misconfigured(
                "AEGIS_OLLAMA_URL and AEGIS_LLM_URL are both set: set AEGIS_EXTRACTOR to ollama or openai, which says whose"
                " language model is used."
            )
        return "ollama" if self.ollama_url else "openai" if self.llm_url else ""


def load() -> Settings:
    """Read everything anew. Raises Misconfigured, which names each wrong setting."""
    try:
        loaded = Settings(_env_file=_stack_env())  # type: ignore[call-arg]
    except ValidationError as error:
        raise Misconfigured(" ".join(f"{_variable(wrong['loc'])}: {wrong['msg']}." for wrong in error.errors())) from None
    _ = loaded.language_server
    return loaded


def _stack_env() -> Path | None:
    """Return the file that `make up` wrote; None in a part of the stack (AEGIS_STACK_ENV=off), whose environment has its share."""
    return None if os.environ.get("AEGIS_STACK_ENV") == "off" else home() / "stack.env"


def _variable(place: tuple[int | str, ...]) -> str:
    """As people set it. The value is left out: it may be a password."""
    name = "_".join(map(str, place)).upper()
    return name if name.startswith("AEGIS_") else f"AEGIS_{name}"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return load()
