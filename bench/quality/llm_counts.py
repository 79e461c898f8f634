"""What a language model cost and how it answered, from the exchanges that a proxy saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from bench.quality.llm_proxy import TIMEOUT_SECONDS, Exchange, Proxy
from bench.quality.matching import plain, share

STEM: Final = 4  # letters by which inflected forms of a word are taken for one
OLLAMA, OPENAI = "OLLAMA", "LLM"  # middle of the settings' names


def chosen_server(environment: Mapping[str, str]) -> str | None:
    """Return which server's address the environment names explicitly, None if it names none."""
    return next((kind for kind in (OLLAMA, OPENAI) if environment.get(f"AEGIS_{kind}_URL")), None)


def server_settings(kind: str, environment: Mapping[str, str], proxy: Proxy) -> dict[str, str]:
    """Return the caller's settings of the server, with the proxy's address in the place of its own."""
    path = urlsplit(environment[f"AEGIS_{kind}_URL"]).path
    return {
        **{name: value for name, value in environment.items() if name.startswith(("AEGIS_OLLAMA_", "AEGIS_LLM_"))},
        f"AEGIS_{kind}_URL": proxy.url + path.rstrip("/"),
        "AEGIS_EXTRACTOR": "ollama" if kind == OLLAMA else "openai",
    }


def origin(url: str) -> str:
    """Return an address without its path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def figures(exchanges: Iterable[Exchange], source_tokens: int) -> dict[str, Any]:
    """Return tokens in and out per 1,000 tokens of source, answers that were cut, and seconds of the median answer."""
    asked = [exchange for exchange in exchanges if exchange.messages]
    return {
        "requests": len(asked),
        "tokens_in": round(1000 * sum(exchange.prompt_tokens for exchange in asked) / source_tokens),
        "tokens_out": round(1000 * sum(exchange.tokens_out for exchange in asked) / source_tokens),
        "cut": sum(exchange.cut for exchange in asked),
        "stopped": sum(exchange.stopped for exchange in asked),
        "seconds": round(median(exchange.seconds for exchange in asked), 2) if asked else None,
    }


def constant_words(exchanges: Iterable[Exchange]) -> str:
    """Return the words of all messages that every request has: rules and examples, without the passages."""
    contents = [{str(message.get("content")) for message in exchange.messages} for exchange in exchanges if exchange.messages]
    shared = set[str].intersection(*contents) if len(contents) > 1 else set()
    return _phrase(" . ".join(sorted(shared)))


def parroted(types: Sequence[tuple[str, str]], prompt: str) -> float | None:
    """Return the share of relation types that the prompt has and the passage has not. types: (type, passage) of each relation."""
    return share(sum(_copied(_phrase(kind), _phrase(passage), prompt) for kind, passage in types), len(types))


def _copied(kind: str, passage: str, prompt: str) -> bool:
    if f" {kind} " not in f" {prompt} " or f" {kind} " in f" {passage} ":
        return False
    stems = {word[:STEM] for word in passage.split()}
    telling = [word[:STEM] for word in kind.split() if len(word) >= STEM]
    return not telling or not stems.issuperset(telling)


def _phrase(text: str) -> str:
    return plain(text.replace("_", " "))


def count_tokens(kind: str, environment: Mapping[str, str], texts: Iterable[str]) -> int:
    """Return the tokens of texts as the model's server counts them: those of a prompt with the text, less those of one without."""
    with httpx.Client(base_url=environment[f"AEGIS_{kind}_URL"], timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        empty = _prompt_tokens(client, kind, environment, ".")
        return sum(_prompt_tokens(client, kind, environment, text) - empty for text in texts)


def _prompt_tokens(client: httpx.Client, kind: str, environment: Mapping[str, str], text: str) -> int:
    body: dict[str, Any] = {"model": environment.get(f"AEGIS_{kind}_MODEL", ""), "messages": [{"role": "user", "content": text}]}
    body["stream"] = False
    if kind == OLLAMA:
        context = int(environment.get("AEGIS_OLLAMA_NUM_CTX") or 8192)  # another one would load the model anew
        body["options"] = {"num_predict": 1, "num_ctx": context}
        return int(client.post("/api/chat", json=body).raise_for_status().json()["prompt_eval_count"])
    key = environment.get("AEGIS_LLM_API_KEY", "")
    path = "/chat/completions" if urlsplit(str(client.base_url)).path.strip("/") else "/v1/chat/completions"
    answer = client.post(path, json={**body, "max_tokens": 1}, headers={"Authorization": f"Bearer {key}"} if key else {})
    return int(answer.raise_for_status().json()["usage"]["prompt_tokens"])
