"""All settings, and the only place that reads the environment.

Order, first wins: environment (AEGIS_*), `stack.env` in AEGIS_HOME (written by the stack: ports and generated passwords, 0600),
`config/parallelization.yml`, the defaults below.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, AliasChoices, Field, PositiveInt, SecretStr
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[1]


def home() -> Path:
    """The one data directory: AEGIS_HOME, by default `.aegis` beside the code."""
    return Path(os.environ.get("AEGIS_HOME") or ROOT / ".aegis").resolve()


def _profile() -> dict[str, Any]:
    path = Path(os.environ.get("AEGIS_PARALLELIZATION") or ROOT / "config" / "parallelization.yml")
    tables = yaml.safe_load(path.read_text()) if path.exists() else {}
    name = os.environ.get("AEGIS_PROFILE", "")
    if name and name not in tables.get("profiles", {}):
        raise ValueError(f"AEGIS_PROFILE names no profile of {path.name}: {name!r}.")
    return {**tables.get("default", {}), **tables.get("profiles", {}).get(name, {})}


def _limit(name: str, *others: str) -> AliasChoices:
    return AliasChoices(f"AEGIS_{name.upper()}", *others, name)


class Settings(BaseSettings):
    """Every field is AEGIS_<NAME> in the environment."""

    model_config = SettingsConfigDict(env_prefix="AEGIS_", extra="ignore", frozen=True, populate_by_name=True)

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
    engine_workers_base_port: int = 0

    # Stores. Empty means the embedded one.
    postgres_url: SecretStr = SecretStr("")
    dagster_postgres_url: SecretStr = SecretStr("")
    neo4j_url: str = ""
    neo4j_user: str = "neo4j"
    neo4j_password: SecretStr = SecretStr("")
    qdrant_url: str = ""
    qdrant_api_key: SecretStr = SecretStr("")
    bucket_url: str = ""  # file:///path or s3://bucket/prefix; empty: <home>/bucket
    s3_endpoint: str = ""
    s3_access_key: SecretStr = SecretStr("")
    s3_secret_key: SecretStr = SecretStr("")
    s3_region: str = "us-east-1"

    # The bucket that a sensor watches. Empty: <home>/inbox
    watch_url: str = ""
    watch_collection: str = "default"
    watch_settle_seconds: float = 5.0

    # Engines
    engine_url: str = ""  # the resident engine server; empty: this machine's
    engine_token: SecretStr = SecretStr("")
    docling_serve_url: str = ""
    parser: Literal["auto", "rules", "docling", "docling-serve"] = "auto"
    ollama_url: str = ""
    ollama_model: str = "qwen3:32b"
    ollama_num_ctx: PositiveInt = 8192
    ollama_num_predict: PositiveInt = 2048
    ollama_timeout: float = 180.0
    vision_model: str = ""
    extractor: Literal["auto", "ollama", "spacy"] = "auto"
    embedder: Literal["minilm", "bge-m3"] = "minilm"
    embedder_path: str = ""  # directory of BGE-M3's weights
    embedder_device: str = "cpu"

    # Guards
    max_file_mb: PositiveInt = 200
    max_pages: PositiveInt = 20000
    parse_timeout: float = 300.0  # one window
    parse_memory_mb: PositiveInt = 1400  # one parser child
    picture_min_pixels: PositiveInt = 64  # shorter side of a picture that gets a description

    # config/parallelization.yml
    parallel_documents: PositiveInt = Field(2, validation_alias=_limit("parallel_documents"))
    parallel_chunks_per_doc: PositiveInt = Field(4, validation_alias=_limit("parallel_chunks_per_doc", "GRAPH_EXTRACTION_WORKERS"))
    ollama_max_concurrent: PositiveInt = Field(8, validation_alias=_limit("ollama_max_concurrent"))
    embedding_batch_size: PositiveInt = Field(16, validation_alias=_limit("embedding_batch_size", "EMBEDDING_BATCH_SIZE"))
    window_pages: PositiveInt = Field(16, validation_alias=_limit("window_pages"))
    window_chunks: PositiveInt = Field(64, validation_alias=_limit("window_chunks"))
    memory_limit_mb: PositiveInt = Field(4400, validation_alias=_limit("memory_limit_mb"))
    vram_budget_mb: PositiveInt = Field(5500, validation_alias=_limit("vram_budget_mb"))

    # Web
    secret_key: SecretStr = SecretStr("")
    debug: bool = False
    allowed_hosts: str = "127.0.0.1,localhost"
    production: bool = False
    log_level: str = "INFO"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = InitSettingsSource(settings_cls, _profile())
        return (init_settings, env_settings, dotenv_settings, file)

    # What the empty addresses mean.
    @property
    def stack_env(self) -> Path:
        return self.home / "stack.env"

    @property
    def engine_address(self) -> str:
        return self.engine_url or f"http://127.0.0.1:{self.engine_port}"

    @property
    def dagster_address(self) -> str:
        return f"http://127.0.0.1:{self.dagster_port}"

    @property
    def admin_address(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

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
    def vectors_path(self) -> Path:
        return self.home / "vectors"

    @property
    def extractor_engine(self) -> Literal["ollama", "spacy"]:
        if self.extractor == "auto":
            return "ollama" if self.ollama_url else "spacy"
        return self.extractor


def load() -> Settings:
    """Read everything anew. Raises ValueError with one line per wrong setting."""
    return Settings(_env_file=home() / "stack.env")  # type: ignore[call-arg]


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return load()
