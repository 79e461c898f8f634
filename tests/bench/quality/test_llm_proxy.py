"""What a language model's server is asked and answers is counted on its way, in both protocols."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from bench.quality import llm_counts, llm_proxy
from bench.quality.llm_proxy import Exchange
from tests.doubles.ollama import OllamaDouble
from tests.doubles.openai_server import SERVED, OpenAiDouble
from tests.waiting import until

MODEL = "double"
MESSAGES = [{"role": "system", "content": "List names."}, {"role": "user", "content": "Ada Lovelace knew Charles Babbage."}]
OLLAMA: dict[str, Any] = {"model": MODEL, "messages": MESSAGES, "options": {"num_predict": 500}}
OPENAI: dict[str, Any] = {"model": SERVED, "messages": MESSAGES, "max_tokens": 500, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize("streamed", [True, False])
def test_an_answer_of_ollama_passes_unchanged_and_is_counted(streamed: bool) -> None:
    with OllamaDouble() as double, llm_proxy.running(double.url) as proxy:
        body = {**OLLAMA, "stream": streamed}
        direct = httpx.post(f"{double.url}/api/chat", json=body).text
        passed = httpx.post(f"{proxy.url}/api/chat", json=body).text
        last = json.loads(passed.splitlines()[-1])
    assert _content(passed) == _content(direct) != ""
    [exchange] = proxy.exchanges
    assert exchange.messages == MESSAGES
    assert (exchange.prompt_tokens, exchange.completion_tokens) == (last["prompt_eval_count"], last["eval_count"])
    assert (exchange.cut, exchange.stopped, exchange.seconds > 0) == (False, False, True)


@pytest.mark.parametrize("streamed", [True, False])
def test_an_answer_of_openai_s_protocol_is_counted(streamed: bool) -> None:
    with OpenAiDouble() as double, llm_proxy.running(double.url) as proxy:
        answer = httpx.post(f"{proxy.url}/v1/chat/completions", json={**OPENAI, "stream": streamed})
        assert answer.status_code == 200
        assert httpx.get(f"{proxy.url}/v1/models").json()["data"]
    [exchange] = proxy.exchanges
    assert exchange.prompt_tokens > 0
    assert exchange.tokens_out > 0
    assert not exchange.cut


def test_an_answer_that_fills_its_limit_is_cut_and_one_that_is_left_is_stopped() -> None:
    with OllamaDouble() as double, llm_proxy.running(double.url) as proxy:
        double.fault("length")
        httpx.post(f"{proxy.url}/api/chat", json={**OLLAMA, "stream": True})
        double.fault("none")
        double.fault("endless")
        with httpx.stream("POST", f"{proxy.url}/api/chat", json={**OLLAMA, "stream": True}) as answer:
            next(answer.iter_lines())
        until(lambda: len(proxy.exchanges) == 2)
    cut, stopped = proxy.exchanges
    assert (cut.cut, cut.stopped) == (True, False)
    assert (stopped.cut, stopped.stopped, stopped.tokens_out > 0) == (False, True, True)


def test_figures_are_per_1000_tokens_of_source() -> None:
    exchanges = [Exchange(MESSAGES, 2.0, 300, 90), Exchange(MESSAGES, 4.0, 300, 110, cut=True), Exchange([])]
    figures = llm_counts.figures(exchanges, 400)
    assert figures == {"requests": 2, "tokens_in": 1500, "tokens_out": 500, "cut": 1, "stopped": 0, "seconds": 3.0}


def test_a_type_is_parroted_if_the_prompt_has_it_and_the_passage_has_not() -> None:
    rules = "A type is a phrase such as WRITTEN_BY or depends on."
    exchanges = [Exchange([{"role": "system", "content": rules}, {"role": "user", "content": text}]) for text in ("one", "two")]
    prompt = llm_counts.constant_words(exchanges)
    passage = "Ada wrote notes. The engine depended on steam."
    kinds = ["WRITTEN_BY", "DEPENDS_ON", "WROTE", "such"]
    assert [llm_counts.parroted([(kind, passage)], prompt) for kind in kinds] == [1.0, 0.0, 0.0, 1.0]
    assert llm_counts.parroted([(kind, passage) for kind in kinds], prompt) == 0.5
    assert llm_counts.parroted([], prompt) is None


def test_source_is_counted_by_the_model_s_own_server() -> None:
    with OllamaDouble() as double:
        environment = {"AEGIS_OLLAMA_URL": double.url, "AEGIS_OLLAMA_MODEL": MODEL}
        assert llm_counts.chosen_server(environment) == llm_counts.OLLAMA
        short, long = (llm_counts.count_tokens(llm_counts.OLLAMA, environment, ["word " * count]) for count in (20, 200))
    assert 5 * short < long


def test_the_platform_is_sent_to_the_proxy_with_the_caller_s_settings() -> None:
    environment = {"AEGIS_LLM_URL": "http://127.0.0.1:9/v1/", "AEGIS_LLM_MODEL": "m", "AEGIS_HOME": "/x", "PATH": "/bin"}
    proxy = llm_proxy.Proxy("http://127.0.0.1:9", "http://127.0.0.1:10")
    assert llm_counts.server_settings(llm_counts.OPENAI, environment, proxy) == {
        "AEGIS_LLM_URL": "http://127.0.0.1:10/v1",
        "AEGIS_LLM_MODEL": "m",
        "AEGIS_EXTRACTOR": "openai",
    }
    assert llm_counts.chosen_server({}) is None


def _content(answer: str) -> str:
    return "".join(json.loads(line)["message"]["content"] for line in answer.splitlines())
