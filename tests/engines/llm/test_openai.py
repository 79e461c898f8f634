"""What the extractor asks a server that speaks OpenAI's protocol, through the official client, and what it makes of the answers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from aegis_assets.engines import chosen
from aegis_assets.engines.llm.openai_client import OpenAiClient, OpenAiSettings
from aegis_assets.engines.llm.patience import Limits
from aegis_assets.engines.llm.vision import LanguageModelVision
from aegis_assets.errors import AegisError, EngineFailed, EngineUnavailable, Misconfigured
from aegis_assets.model.parsing import Picture
from aegis_assets.settings import Settings, load
from tests.doubles.openai_server import OpenAiDouble
from tests.engines.llm.asked import ANY, TEXT, openai_conversation, openai_extractor, run
from tests.engines.llm.test_vision import PICTURE, png
from tests.engines.test_sandbox import until


def test_names_and_relations_come_back_grounded(openai_server: OpenAiDouble) -> None:
    found = run(openai_extractor(openai_server.url))
    said = {(found.mentions[r.source].name, r.type, found.mentions[r.target].name) for r in found.relations}
    assert ("Neo4j", "STORES", "Knowledge Graph") in said
    assert (found.calls, found.dropped) == (1, 0)
    assert found.prompt_tokens > 100
    assert found.completion_tokens > 10


def test_the_wire_carries_schema_sampling_and_limit_and_nothing_of_the_environment(
    openai_server: OpenAiDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "of-somebody-else")
    run(openai_extractor(openai_server.url, temperature=0.25, seed=3, max_tokens=900))
    body = openai_server.requests()[0]["body"]
    assert (body["model"], body["stream"], body["temperature"], body["seed"], body["max_tokens"]) == (
        "test-model",
        True,
        0.25,
        3,
        900,
    )
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["response_format"]["json_schema"]["schema"]["additionalProperties"] is False
    assert "chat_template_kwargs" not in body
    assert not any("of-somebody-else" in value for headers in openai_server.dialect.headers for value in headers.values())


def test_a_key_is_sent_and_a_wrong_one_is_a_wrong_setting_that_does_not_repeat_it(openai_server: OpenAiDouble) -> None:
    openai_server.dialect.api_key = "sk-secret-1"
    assert run(openai_extractor(openai_server.url, api_key="sk-secret-1")).mentions
    with pytest.raises(Misconfigured, match=r"refuses access \(HTTP 401\): correct AEGIS_LLM_API_KEY") as raised:
        run(openai_extractor(openai_server.url, api_key="sk-secret-2", context=4096))
    assert "sk-secret" not in raised.value.message


@pytest.mark.parametrize("url", ["http://api.example.com/v1", "http://8.8.8.8:8000"])
def test_a_key_does_not_travel_unencrypted_over_other_peoples_networks(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"AEGIS_LLM_API_KEY would go to .* unencrypted") as raised:
        OpenAiClient(url, OpenAiSettings(model="m"), api_key=SecretStr("sk-secret"))
    assert "sk-secret" not in raised.value.message
    OpenAiClient("http://vllm:8000", OpenAiSettings(model="m"), api_key=SecretStr("sk-secret"))


@pytest.mark.parametrize("key", ["sk secret", "sk-secr\u00e9t", "sk-secret\n"])
def test_a_key_that_cannot_be_one_is_a_wrong_setting(key: str) -> None:
    with pytest.raises(Misconfigured, match="AEGIS_LLM_API_KEY has a character"):
        OpenAiClient("http://vllm:8000", OpenAiSettings(model="m"), api_key=SecretStr(key))


@pytest.mark.parametrize("url", ["vllm:8000", "ftp://vllm", "http://"])
def test_an_address_that_is_none_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(Misconfigured, match="AEGIS_LLM_URL is not an http address"):
        OpenAiClient(url, OpenAiSettings(model="m"))


def test_both_addresses_without_a_choice_are_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    monkeypatch.setenv("AEGIS_OLLAMA_URL", "http://a:1")
    monkeypatch.setenv("AEGIS_LLM_URL", "http://b:1")
    with pytest.raises(Misconfigured, match="AEGIS_OLLAMA_URL and AEGIS_LLM_URL are both set: set AEGIS_EXTRACTOR"):
        load()
    monkeypatch.setenv("AEGIS_EXTRACTOR", "openai")
    assert load().language_server == "openai"
    monkeypatch.setenv("AEGIS_EXTRACTOR", "ollama")
    assert load().language_server == "ollama"


def test_settings_make_the_extractor(openai_server: OpenAiDouble) -> None:
    engine = chosen.language_model_extractor(Settings(llm_url=openai_server.url + "/v1", llm_model="test-model"))
    assert (engine.name, engine.lease) == ("openai test-model", ("ollama", 1))
    assert run(engine).mentions
    with pytest.raises(Misconfigured, match="AEGIS_LLM_MODEL is empty"):
        chosen.language_model_extractor(Settings(llm_url=openai_server.url))
    with pytest.raises(Misconfigured, match="AEGIS_LLM_URL is empty"):
        chosen.language_model_extractor(Settings(extractor="openai", llm_model="m"))


@pytest.mark.parametrize("silent", [False, True])
def test_a_server_without_schemas_gets_it_in_the_prompt_once_that_is_known(openai_server: OpenAiDouble, silent: bool) -> None:
    openai_server.dialect.refuses, openai_server.dialect.silent = ("response_format",), silent
    engine = openai_extractor(openai_server.url)
    for text in (TEXT, TEXT * 3):
        assert run(engine, text).mentions
    first, second = openai_server.requests()
    assert "JSON schema" in first["messages"][0]["content"]
    assert first["messages"][0] == second["messages"][0], "what comes before a text is the same for every text"
    assert "response_format" not in second["body"]
    assert len([headers for headers in openai_server.dialect.headers if "content-length" in headers]) == 3, (
        "one lesson, two answers"
    )


@pytest.mark.parametrize("name", ["max_tokens", "temperature", "seed", "stream_options"])
def test_a_parameter_that_a_server_refuses_is_left_out_or_renamed(openai_server: OpenAiDouble, name: str) -> None:
    openai_server.dialect.refuses = (name,)
    found = run(openai_extractor(openai_server.url))
    assert found.mentions
    assert found.completion_tokens > 0
    (request,) = openai_server.requests()
    assert ("max_completion_tokens" in request["body"]) == (name == "max_tokens")


def test_a_refusal_of_everything_is_said_in_the_servers_words(openai_server: OpenAiDouble) -> None:
    openai_server.dialect.refuses, openai_server.dialect.silent = ("model",), True
    with pytest.raises(EngineFailed, match=r"refused the request to test-model \(HTTP 400\): Bad request") as raised:
        run(openai_extractor(openai_server.url))
    assert not raised.value.retryable


def test_reasoning_is_progress_and_no_part_of_the_answer(openai_server: OpenAiDouble) -> None:
    openai_server.dialect.thinks = "Let me see {what} this is."
    assert run(openai_extractor(openai_server.url)).calls == 1
    openai_server.fault("thinking")
    assert run(openai_extractor(openai_server.url)).calls == 1


@pytest.mark.parametrize(
    ("think", "key", "value"),
    [("off", "chat_template_kwargs", {"enable_thinking": False}), ("on", "chat_template_kwargs", {"enable_thinking": True})]
    + [(effort, "reasoning_effort", effort) for effort in ("low", "medium", "high")],
)
def test_whether_the_model_thinks_is_said_where_a_setting_says_it(
    openai_server: OpenAiDouble, think: str, key: str, value: object
) -> None:
    run(openai_extractor(openai_server.url, think=think))
    assert openai_server.requests()[0]["body"][key] == value


def test_a_prompt_longer_than_the_context_is_refused_before_it_is_sent(openai_server: OpenAiDouble) -> None:
    text = " ".join(f"Station{number} feeds Grid{number} in the north. It has done so for many years now." for number in range(150))
    openai_server.configure(context_length=4096)
    found = run(openai_extractor(openai_server.url, max_tokens=1024), text)
    assert found.calls > 1
    assert {f"Station{number}" for number in range(150)} <= {mention.name for mention in found.mentions}
    with pytest.raises(Misconfigured, match=r"\(300 tokens, AEGIS_LLM_CONTEXT\) leaves 0 tokens"):
        run(openai_extractor(openai_server.url, context=300))
    assert openai_server.stats()["received"] == found.calls


def test_a_context_that_nobody_knows_is_a_setting_to_make(openai_server: OpenAiDouble) -> None:
    openai_server.dialect.says_context = False
    with pytest.raises(Misconfigured, match="does not say how long the context of test-model is: set AEGIS_LLM_CONTEXT"):
        asyncio.run(openai_extractor(openai_server.url).check())
    assert run(openai_extractor(openai_server.url, context=4096)).mentions


def test_a_check_names_what_does_not_fit(openai_server: OpenAiDouble) -> None:
    asyncio.run(openai_extractor(openai_server.url).check())
    with pytest.raises(
        Misconfigured, match=r"does not have the model other: set AEGIS_LLM_MODEL to one that it has \(test-model\)"
    ):
        asyncio.run(openai_extractor(openai_server.url, model="other").check())
    with pytest.raises(Misconfigured, match=r"has a context of 40960 tokens: AEGIS_LLM_CONTEXT \(99999\) is more"):
        asyncio.run(openai_extractor(openai_server.url, context=99_999).check())
    openai_server.dialect.modalities = ("text",)
    with pytest.raises(Misconfigured, match="cannot do vision"):
        asyncio.run(LanguageModelVision(openai_conversation(openai_server.url)).check())


def test_pictures_go_through_the_same_client(openai_server: OpenAiDouble) -> None:
    engine = LanguageModelVision(openai_conversation(openai_server.url, model="test-model"))
    described = asyncio.run(engine.describe(Picture(ref=PICTURE.ref, image="", box=None, caption="Figure 2"), png()))
    assert "Figure 2" in described.text
    assert openai_server.requests()[0]["messages"][1]["images"][0].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("junk", EngineFailed, "not JSON"),
        ("empty", EngineFailed, "empty answer"),
        ("html", EngineFailed, "does not speak OpenAI's protocol"),
        ("foreign_json", EngineFailed, "another shape"),
        ("huge", EngineFailed, "2 MB"),
        ("500", EngineFailed, "HTTP 500"),
        ("503", EngineUnavailable, "overloaded"),
        ("429", EngineUnavailable, "overloaded"),
        ("close", EngineUnavailable, "broke the connection off"),
        ("unfinished", EngineFailed, "without finishing"),
        ("error_line", EngineFailed, "failed in the middle of an answer"),
    ],
)
def test_a_lasting_fault_ends_after_four_requests_in_one_public_sentence(
    openai_server: OpenAiDouble, fault: str, kind: type[AegisError], says: str
) -> None:
    openai_server.fault(fault)
    with pytest.raises(kind) as raised:
        run(openai_extractor(openai_server.url))
    assert says in raised.value.message
    assert raised.value.retryable
    assert openai_server.stats()["received"] == 4


@pytest.mark.parametrize(
    ("fault", "limits", "says"),
    [
        ("never", Limits(first_token=0.4), "did not begin to answer within 0.4 seconds"),
        ("stalls", Limits(gap=0.4), "stopped in the middle of an answer for 0.4 seconds"),
        ("endless", Limits(answer=0.4), "did not end its answer within 0.4 seconds of the first token"),
    ],
)
def test_each_limit_on_the_time_of_an_answer_ends_it_and_frees_the_slot(
    openai_server: OpenAiDouble, fault: str, limits: Limits, says: str
) -> None:
    openai_server.fault(fault)
    with pytest.raises(EngineUnavailable, match=says):
        run(openai_extractor(openai_server.url, limits))
    assert openai_server.stats()["received"] == 2
    until(lambda: openai_server.stats()["cancelled"] == 2)
    assert openai_server.stats()["in_flight"] == 0


def test_a_cancelled_extraction_frees_its_slot_on_the_server(openai_server: OpenAiDouble) -> None:
    openai_server.fault("endless")

    async def cancelled() -> None:
        task = asyncio.create_task(openai_extractor(openai_server.url).extract(TEXT, ANY))
        while openai_server.stats()["in_flight"] == 0:
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    until(lambda: openai_server.stats()["in_flight"] == 0)


def test_the_fingerprint_covers_what_decides_an_answer_and_not_the_address(openai_server: OpenAiDouble) -> None:
    url = openai_server.url
    prints = {
        openai_extractor(url, **options).fingerprint(ANY)
        for options in ({}, {"model": "b"}, {"max_tokens": 9}, {"temperature": 1.0}, {"seed": 1}, {"think": "on"})
    }
    assert len(prints) == 6
    assert openai_extractor("http://elsewhere:1").fingerprint(ANY) == openai_extractor(url, context=99).fingerprint(ANY)
