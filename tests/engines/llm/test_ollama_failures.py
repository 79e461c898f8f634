"""Everything that can go wrong with a server that speaks Ollama's protocol: what is asked again, how often, and the sentence."""

from __future__ import annotations

import asyncio
import socket

import pytest

from aegis_assets.engines.llm.conversation import Conversation
from aegis_assets.engines.llm.extractor import LanguageModelExtractor
from aegis_assets.engines.llm.ollama_client import OllamaClient, OllamaSettings
from aegis_assets.engines.llm.patience import Limits
from aegis_assets.errors import AegisError, EngineFailed, EngineUnavailable, Misconfigured
from tests.doubles.ollama import OllamaDouble
from tests.engines.llm.asked import ANY, LIMITS, QUICK, TEXT, extractor, run
from tests.engines.test_sandbox import until


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("junk", EngineFailed, "not JSON"),
        ("empty", EngineFailed, "empty answer"),
        ("html", EngineFailed, "does not speak Ollama's protocol"),
        ("html_content", EngineFailed, "HTML"),
        ("foreign_json", EngineFailed, "another shape"),
        ("wrong_schema", EngineFailed, "another shape"),
        ("extra_keys", EngineFailed, "another shape"),
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
    ollama: OllamaDouble, fault: str, kind: type[AegisError], says: str
) -> None:
    ollama.fault(fault)
    with pytest.raises(kind) as raised:
        run(extractor(ollama))
    assert says in raised.value.message
    assert raised.value.retryable
    assert "\n" not in raised.value.message
    assert ollama.stats()["received"] == 4


@pytest.mark.parametrize("fault", ["junk", "empty", "html", "foreign_json", "extra_keys", "500", "503", "429", "close"])
def test_a_passing_fault_is_retried_and_counted(ollama: OllamaDouble, fault: str) -> None:
    good = run(extractor(ollama))
    ollama.reset()
    ollama.fault(fault, times=2)
    found = run(extractor(ollama))
    assert found.mentions == good.mentions
    assert found.calls == 3


def test_after_an_unusable_answer_the_model_is_told_so(ollama: OllamaDouble) -> None:
    ollama.fault("junk", times=1)
    run(extractor(ollama))
    first, second = ollama.requests()
    assert second["messages"][:-1] == first["messages"]
    assert "could not be used" in second["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("fault", "limits", "says"),
    [
        ("never", Limits(first_token=0.4), r"did not begin to answer within 0\.4 seconds.*AEGIS_LLM_FIRST_TOKEN_TIMEOUT"),
        ("dribble", Limits(first_token=0.4), r"did not begin to answer within 0\.4 seconds"),
        ("stalls", Limits(gap=0.4), r"stopped in the middle of an answer for 0\.4 seconds.*AEGIS_LLM_TOKEN_GAP"),
        ("endless", Limits(answer=0.4), r"did not end its answer within 0\.4 seconds of the first token.*AEGIS_OLLAMA_TIMEOUT"),
    ],
)
def test_each_limit_on_the_time_of_an_answer_ends_it_in_two_requests(
    ollama: OllamaDouble, fault: str, limits: Limits, says: str
) -> None:
    ollama.fault(fault)
    with pytest.raises(EngineUnavailable, match=says):
        run(extractor(ollama, limits))
    assert ollama.stats()["received"] == 2


def test_a_time_out_frees_the_slot_on_the_server(ollama: OllamaDouble) -> None:
    ollama.configure(slots=1)
    ollama.fault("stalls", times=1)
    found = run(extractor(ollama, Limits(gap=1.0)))
    assert found.mentions, "the one slot was free again for the second request"
    until(lambda: ollama.stats()["cancelled"] == 1)
    assert ollama.stats()["in_flight"] == 0


def test_a_cancelled_extraction_frees_its_slot_on_the_server(ollama: OllamaDouble) -> None:
    ollama.fault("never")

    async def cancelled() -> None:
        task = asyncio.create_task(extractor(ollama).extract(TEXT, ANY))
        while ollama.stats()["in_flight"] == 0:
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    until(lambda: ollama.stats()["in_flight"] == 0)
    assert ollama.stats()["cancelled"] == 1


def test_an_answer_that_hits_the_token_limit_halves_the_text(ollama: OllamaDouble) -> None:
    text = " ".join(f"Station{number} feeds Grid{number} in the north." for number in range(24))
    found = run(extractor(ollama, num_predict=700), text)
    assert found.calls > 1
    assert {f"Grid{number}" for number in range(24)} <= {mention.name for mention in found.mentions}
    assert {request["options"]["num_predict"] for request in ollama.requests()} == {700}


def test_a_model_that_always_runs_on_ends_after_a_bounded_number_of_halvings(ollama: OllamaDouble) -> None:
    ollama.fault("length")
    assert run(extractor(ollama), TEXT * 8).calls == 3


def test_an_answer_that_gives_nothing_before_its_limit_is_a_failure(ollama: OllamaDouble) -> None:
    ollama.fault("length")
    with pytest.raises(EngineFailed, match="AEGIS_OLLAMA_NUM_PREDICT") as raised:
        run(extractor(ollama), "nothing here has a name, " * 40)
    assert not raised.value.retryable
    assert ollama.stats()["received"] <= 4


def test_a_server_that_counts_more_tokens_than_we_do_gets_halves(ollama: OllamaDouble) -> None:
    ollama.fault("too_long", times=1)
    found = run(extractor(ollama), TEXT * 3)
    assert found.calls == 3
    assert found.mentions


def test_a_missing_model_says_how_to_get_it_and_is_not_retried(ollama: OllamaDouble) -> None:
    ollama.configure(models=["llama3:8b"])
    with pytest.raises(Misconfigured, match=r"`ollama pull qwen3:32b`"):
        run(extractor(ollama))
    with pytest.raises(Misconfigured, match=r"`ollama pull qwen3:32b`"):
        asyncio.run(extractor(ollama).check())


def test_something_else_on_the_port_is_named_as_such(ollama: OllamaDouble) -> None:
    ollama.fault("not_ollama")
    with pytest.raises(Misconfigured, match=r"is not an Ollama server \(HTTP 404\): correct AEGIS_OLLAMA_URL"):
        run(extractor(ollama))


def test_a_server_that_is_down_is_named_with_its_setting() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{free.getsockname()[1]}"
    client = OllamaClient(url, OllamaSettings(model="m", num_ctx=8192, num_predict=512))
    engine = LanguageModelExtractor(Conversation(client, LIMITS, QUICK))
    for attempt in (engine.extract(TEXT, ANY), engine.check()):
        with pytest.raises(EngineUnavailable, match="cannot be reached: start it or correct AEGIS_OLLAMA_URL") as raised:
            asyncio.run(attempt)
        assert "secret" not in raised.value.message


def test_a_check_passes_where_server_model_and_context_fit(ollama: OllamaDouble) -> None:
    asyncio.run(extractor(ollama).check())
    ollama.configure(context_length=4096)
    with pytest.raises(Misconfigured, match="AEGIS_OLLAMA_NUM_CTX"):
        asyncio.run(extractor(ollama).check())


def test_a_context_without_room_for_text_is_a_wrong_setting(ollama: OllamaDouble) -> None:
    with pytest.raises(Misconfigured, match="AEGIS_OLLAMA_NUM_CTX"):
        run(extractor(ollama, num_ctx=2048, num_predict=2048))
    with pytest.raises(Misconfigured, match="AEGIS_OLLAMA_URL is empty"):
        OllamaClient("", OllamaSettings(model="m", num_ctx=8192, num_predict=512))


def test_what_the_model_made_up_is_not_told_back_to_it_as_an_order(ollama: OllamaDouble) -> None:
    """A key of its answer may be the document's words, and the reminder stands outside the fence."""
    ollama.fault("orders_as_key", times=1)
    run(extractor(ollama))
    reminder = ollama.requests()[1]["messages"][-1]["content"]
    assert "a key that was not asked for does not fit" in reminder
    assert "Ignore" not in reminder


def test_a_server_that_cuts_in_silence_is_noticed_and_gets_halves(ollama: OllamaDouble) -> None:
    """Before it knew `truncate: false`, Ollama answered as if nothing were missing."""
    ollama.fault("cuts_silently", times=1)
    found = run(extractor(ollama), TEXT * 3)
    assert (found.calls, bool(found.mentions)) == (3, True)
    ollama.fault("cuts_silently")
    with pytest.raises(EngineFailed, match="AEGIS_OLLAMA_NUM_CTX"):
        run(extractor(ollama), TEXT)


def test_a_proxy_of_the_environment_does_not_see_what_goes_to_this_machine(
    ollama: OllamaDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert run(extractor(ollama)).mentions
