"""`python -m bench.quality.extraction FILE`: entities and relations of annotated passages, by the extractor that is configured.

`--llm`: by the language model behind AEGIS_OLLAMA_URL or AEGIS_LLM_URL instead, in a stack of its own whose requests pass a
counting proxy: tokens in and out per 1,000 tokens of source, answers cut at the limit or stopped by the platform, seconds of the
median answer, and the share of relation types that were copied from the prompt.

Precision and recall of relations are of their two ends; relations_type is the share of the right ones that say the same.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import results
from bench.quality import llm_counts, llm_proxy, platform, stated
from bench.quality.api import Api


def score(api: Api, path: Path, *, keep: bool = False) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Ingest the passages. Return the figures, and the type of each relation with its passage."""
    passages = stated.read(path)
    texts = {f"{passage['id']}.md": markdown(passage["text"]) for passage in passages}
    total, types = stated.Counts(), list[tuple[str, str]]()
    with api.ingested(path.stem, texts, keep=keep) as ingested:
        for name, passage in zip(texts, passages, strict=True):
            document = ingested.documents[name]
            entities, relations = api.entities(document), api.relations(document)
            total.add(stated.count(passage, entities, relations))
            types += [(row["type"], passage["text"]) for row in relations]
        return {"set": path.stem, **ingested.facts(), **stated.figures(total)}, types


def markdown(text: str) -> str:
    """Return the passage with its first line as the title."""
    title, _newline, body = text.partition("\n")
    return f"# {title}\n{body}\n"


def score_llm(path: Path, environment: Mapping[str, str] = os.environ, *, keep: bool = False) -> dict[str, Any]:
    """Score the language model that the environment names, in a stack of its own."""
    kind = llm_counts.chosen_server(environment)
    if kind is None:
        raise SystemExit("Set AEGIS_OLLAMA_URL or AEGIS_LLM_URL to the language model's server.")
    with llm_proxy.running(llm_counts.origin(environment[f"AEGIS_{kind}_URL"])) as proxy:
        with platform.started(llm_counts.server_settings(kind, environment, proxy), keep=keep) as api:
            scored, types = score(api, path, keep=keep)
        tokens = llm_counts.count_tokens(kind, environment, [passage["text"] for passage in stated.read(path)])
        prompt = llm_counts.constant_words(proxy.exchanges)
        return {**scored, **llm_counts.figures(proxy.exchanges, tokens), "parroted": llm_counts.parroted(types, prompt)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--llm", action="store_true", help="ask the language model of AEGIS_OLLAMA_URL or AEGIS_LLM_URL")
    platform.add_arguments(parser)
    options = parser.parse_args()
    if options.llm:
        scored = score_llm(options.path, keep=options.keep)
    else:
        with platform.opened(options) as api:
            scored, _types = score(api, options.path, keep=options.keep)
    print(results.table([{"figure": name, "value": value} for name, value in scored.items()]))
    if options.json:
        print(json.dumps(scored))


if __name__ == "__main__":
    main()
