"""The platform that is scored: the one at `--url`, else the stack of AEGIS_HOME, else one that is started for it.

A stack that is started here lives in a temporary home, and is stopped and deleted afterwards. The caller's AEGIS_* settings of
embedder, reranker and extractor hold for it; its stores are the embedded ones. A language model is asked only by `--llm` of
`bench.quality.extraction`, because it is slow and may cost money.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import httpx

from aegis_assets.embedded.supervision import Supervisor
from aegis_assets.settings import home, settings
from bench import results
from bench.harness import running
from bench.login import TIMEOUT_SECONDS, kept_password, logged_in
from bench.quality.api import Api, Row

ENGINE_SETTINGS: Final = ("EXTRACTOR", "EMBED", "RERANK", "GLINER_", "SPACY_", "PARALLEL_")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="the admin of a platform that runs; needs --token")
    parser.add_argument("--token", default="", help="an API token of that platform")
    parser.add_argument("--keep", action="store_true", help="leave the collection there")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


def run_scorer(doc: str | None, score: Callable[[Api, argparse.Namespace], Row], table: Callable[[Row], Sequence[Row]]) -> None:
    """Be the command of a scorer: read the arguments, score the set at `path`, print the table and, if asked, the JSON object."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    add_arguments(parser)
    options = parser.parse_args()
    with opened(options) as api:
        scored = score(api, options)
    print(results.table(table(scored)))
    if options.json:
        print(json.dumps(scored))


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Api]:
    """Yield the API of the platform that the options name."""
    if options.url:
        headers = {"Authorization": f"Bearer {options.token}"}
        with httpx.Client(base_url=options.url, headers=headers, timeout=TIMEOUT_SECONDS) as client:
            yield Api(client)
    elif Supervisor(home()).answers():
        password = settings().admin_password.get_secret_value() or kept_password(home())
        with closing(logged_in(settings().admin_address, password)) as client:
            yield Api(client)
    else:
        with started(engine_settings(os.environ), keep=options.keep) as api:
            yield api


@contextmanager
def started(overrides: Mapping[str, str], *, keep: bool = False) -> Iterator[Api]:
    """Start a stack with these settings, and yield its API."""
    with running(overrides, keep=keep) as stack:
        address = f"http://127.0.0.1:{stack.environment['AEGIS_ADMIN_PORT']}"
        with closing(logged_in(address, kept_password(stack.home))) as client:
            yield Api(client, disposable=True)


def engine_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's settings of engines, except those of a language model."""
    names = tuple(f"AEGIS_{name}" for name in ENGINE_SETTINGS)
    chosen = {name: value for name, value in environment.items() if name.startswith(names)}
    return {name: value for name, value in chosen.items() if value not in ("ollama", "openai") or name != "AEGIS_EXTRACTOR"}
