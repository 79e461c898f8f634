"""The platform that is scored: the one at `--url`, else the stack of AEGIS_HOME, else one that is started for it.

A stack that is started here lives in a temporary home, and is stopped and deleted afterwards. The caller's AEGIS_* settings of
engines hold for it (extractor, language model, embedder); its stores are the embedded ones.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import httpx

from aegis_assets.embedded.supervision import Supervisor
from aegis_assets.settings import home, settings
from bench.harness import running
from bench.login import TIMEOUT_SECONDS, logged_in
from bench.quality.api import Api

ENGINE_SETTINGS: Final = ("EXTRACTOR", "OLLAMA_", "LLM_", "EMBED", "RERANK", "GLINER_", "SPACY_", "PARALLEL_")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="the admin of a platform that runs; needs --token")
    parser.add_argument("--token", default="", help="an API token of that platform")
    parser.add_argument("--keep", action="store_true", help="leave the collection there")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")


@contextmanager
def opened(options: argparse.Namespace) -> Iterator[Api]:
    """Yield the API of the platform that the options name."""
    if options.url:
        headers = {"Authorization": f"Bearer {options.token}"}
        with httpx.Client(base_url=options.url, headers=headers, timeout=TIMEOUT_SECONDS) as client:
            yield Api(client)
    elif Supervisor(home()).answers():
        with closing(logged_in(settings().admin_address, home())) as client:
            yield Api(client)
    else:
        with running(engine_settings(), keep=options.keep) as stack:
            address = f"http://127.0.0.1:{stack.environment['AEGIS_ADMIN_PORT']}"
            with closing(logged_in(address, stack.home)) as client:
                yield Api(client)


def engine_settings(environment: Any = os.environ) -> dict[str, str]:
    """Return the caller's settings of engines."""
    names = tuple(f"AEGIS_{name}" for name in ENGINE_SETTINGS)
    return {name: value for name, value in environment.items() if name.startswith(names)}
