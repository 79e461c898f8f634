"""The client against a server that misbehaves as told. It speaks real HTTP on a real socket."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from aegis_assets.engines.client import EngineClient
from aegis_assets.engines.extractor_client import ExtractorClient
from aegis_assets.engines.ocr_vision import OcrVision
from aegis_assets.engines.service.wire import BUSY, PageBody, decode_error, encode_error
from aegis_assets.errors import (
    AegisError,
    BadInput,
    EngineFailed,
    EngineUnavailable,
    LimitExceeded,
    Misconfigured,
    NotFound,
    StoreUnavailable,
)
from aegis_assets.model.extraction import Schema
from aegis_assets.model.parsing import Inspection, InspectRequest, Picture
from aegis_assets.settings import Settings
from tests.engine_service import free_port
from tests.engines.scripted_server import Scripted, serving

INFO = {"name": "m", "dimension": 2, "sparse": "lexical", "max_tokens": 256, "fingerprint": "f1"}
PICTURE = Picture(ref="#/pictures/0", image="key", box=None, caption="")
REQUEST = InspectRequest(blob="b", name="n", artifacts="a")


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving(Scripted()) as running:
        yield running


def vectors(body: Any) -> tuple[int, Any]:
    """The dense vector tells which text it belongs to."""
    embeddings = [{"dense": [float(len(text)), 0.0], "indices": [], "values": []} for text in body["texts"]]
    return 200, {"info": INFO, "embeddings": embeddings}


@pytest.mark.parametrize(
    "error",
    [
        BadInput("Empty."),
        BadInput("Locked.", kind="encrypted"),
        LimitExceeded("Too long."),
        EngineFailed("Crashed.", retryable=False),
        Misconfigured("Wrong."),
        NotFound("Gone."),
        StoreUnavailable("Away.", server="the bucket"),
    ],
)
def test_an_error_arrives_as_what_it_was_and_is_asked_for_once(server: Scripted, error: AegisError) -> None:
    server.script = [encode_error(error)]
    with pytest.raises(type(error)) as caught:
        EngineClient(server.address).inspect(REQUEST)
    assert (caught.value.kind, caught.value.message, caught.value.retryable) == (error.kind, error.message, error.retryable)
    assert caught.value.server == error.server
    assert len(server.seen) == 1


def test_what_the_engine_server_waits_for_itself_is_named(server: Scripted) -> None:
    server.script = [encode_error(EngineUnavailable("Away.", server="the embedding server"))]
    with pytest.raises(EngineUnavailable) as caught:
        EngineClient(server.address, patience=0.0).inspect(REQUEST)
    assert caught.value.server == "the embedding server"


@pytest.mark.parametrize("content", [b"", b"<html>Bad gateway</html>", b"[]", b'{"kind": 1}'])
def test_a_page_of_a_proxy_is_a_failure_of_the_engine(content: bytes) -> None:
    assert isinstance(decode_error(content, 502), EngineFailed)


def test_junk_with_status_200_is_a_failure_of_the_engine(server: Scripted) -> None:
    server.script = [(200, {"surprise": True})]
    with pytest.raises(EngineFailed):
        EngineClient(server.address).inspect(REQUEST)


def test_a_server_that_starts_or_closes_the_connection_is_asked_again(server: Scripted) -> None:
    server.script = [encode_error(EngineUnavailable("Starting.")), None, vectors]
    assert EngineClient(server.address).embed(["abc"], "query")[0].dense == (3.0, 0.0)
    assert len(server.seen) == 3


def inspected() -> tuple[int, Any]:
    return 200, Inspection(
        format="md", media_type="text/markdown", unit="section", parts=(), pages=None, parser="rules"
    ).model_dump(mode="json")


def test_a_server_whose_slots_are_taken_is_asked_again_for_longer_than_one_that_is_away(server: Scripted) -> None:
    server.script = [encode_error(EngineUnavailable("Busy.", kind=BUSY))] * 30 + [inspected()]
    assert EngineClient(server.address, patience=0.01).inspect(REQUEST).format == "md"
    waited = [float(said) for said in server.waited]
    assert len(waited) == 31
    assert waited == sorted(waited), "the server gives a free slot to who has waited longest"


def test_waiting_for_a_slot_has_an_end_and_says_what_to_do(server: Scripted) -> None:
    server.script = [encode_error(EngineUnavailable("Busy.", kind=BUSY))]
    with pytest.raises(EngineUnavailable, match="AEGIS_ENGINE_QUEUE_SECONDS") as caught:
        EngineClient(server.address, queue_seconds=0.3).inspect(REQUEST)
    assert (caught.value.kind, caught.value.retryable) == ("engine_unavailable", True)
    with pytest.raises(EngineUnavailable, match="AEGIS_ENGINE_QUEUE_SECONDS"):
        asyncio.run(OcrVision(EngineClient(server.address, queue_seconds=0.3)).describe(PICTURE, b"png"))


def test_a_page_does_not_wait_in_the_queue(server: Scripted) -> None:
    server.script = [encode_error(EngineUnavailable("Busy.", kind=BUSY))]
    client = EngineClient(server.address, patience=0.1, queue_seconds=1000)
    with pytest.raises(EngineUnavailable, match="Busy"):
        asyncio.run(client.page(PageBody(blob="b", format="pdf", page=1)))


def test_a_server_that_comes_up_late_is_waited_for() -> None:
    port = free_port()
    client = EngineClient(f"http://127.0.0.1:{port}")
    answer: list[Any] = []
    caller = threading.Thread(target=lambda: answer.extend(client.embed(["abc"], "query")))
    caller.start()
    caller.join(0.5)
    assert caller.is_alive()
    with serving(Scripted(port)) as late:
        late.script = [vectors]
        caller.join(30)
    assert answer[0].dense == (3.0, 0.0)


def test_a_server_that_stays_away_is_a_sentence_with_its_address() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(EngineUnavailable, match=f"{address}.*ConnectError.*AEGIS_ENGINE_URL") as error:
        EngineClient(address, patience=0.3).info()
    assert error.value.retryable


def test_a_server_that_never_answers_is_given_up_and_not_asked_again(server: Scripted) -> None:
    server.script = ["hang"]
    client = EngineClient(server.address)
    with pytest.raises(EngineUnavailable, match="did not answer within"):
        client._call("GET", "/info", None, dict, 0.3)  # type: ignore[type-var]
    assert len(server.seen) == 1


def test_a_cancelled_call_closes_its_connection(server: Scripted) -> None:
    server.script = ["hang"]

    async def give_up() -> None:
        task = asyncio.create_task(ExtractorClient(EngineClient(server.address)).extract("text", Schema()))
        while not server.seen:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    assert server.hang_up.wait(10)


def test_many_texts_go_in_parts_and_come_back_in_order(server: Scripted) -> None:
    server.script = [vectors]
    texts = ["x" * n for n in range(1, 101)]
    assert [embedding.dense[0] for embedding in EngineClient(server.address).embed(texts, "passage")] == list(range(1, 101))
    assert max(len(body["texts"]) for _, _, body in server.seen) <= 16


def test_texts_of_like_length_share_a_request(server: Scripted) -> None:
    server.script = [vectors]
    texts = ["x" * (1 + 100 * (n % 2) + n) for n in range(32)]
    assert [embedding.dense[0] for embedding in EngineClient(server.address).embed(texts, "passage")] == [len(t) for t in texts]
    lengths = [[len(text) for text in body["texts"]] for _, _, body in server.seen]
    assert sorted(min(each) > 100 for each in lengths) == [False, True], "short texts would be padded to the long ones"


def test_no_texts_need_no_server() -> None:
    assert EngineClient("http://127.0.0.1:1", patience=0.1).embed([], "passage") == []


def test_fewer_vectors_than_texts_are_an_error(server: Scripted) -> None:
    """Lists that no longer line up would give texts their neighbours' vectors."""
    server.script = [(200, {"info": INFO, "embeddings": []})]
    with pytest.raises(EngineFailed, match="0 vectors for 1 texts"):
        EngineClient(server.address).embed(["a"], "query")


def test_a_lone_surrogate_is_replaced_by_one_character(server: Scripted) -> None:
    server.script = [vectors]
    EngineClient(server.address).embed(["a\ud800b"], "query")
    assert server.seen[0][2]["texts"] == ["a?b"]


def test_the_token_goes_with_every_request(server: Scripted) -> None:
    server.script = [vectors]
    EngineClient(server.address, "hush").embed(["a"], "query")
    assert server.seen[0][1] == "Bearer hush"


def test_what_the_server_is_is_asked_once_until_its_model_changes(server: Scripted) -> None:
    info = {"parser": "p", "ocr": "o", "embedder": INFO, "extractor": "s", "extractor_fingerprint": "e"}
    changed = {**INFO, "fingerprint": "f2"}
    one = {"dense": [1.0, 0.0], "indices": [], "values": []}
    server.script = [(200, info), (200, {"info": changed, "embeddings": [one]}), (200, {**info, "embedder": changed})]
    client = EngineClient(server.address)
    assert (client.fingerprint(), client.info().fingerprint) == ("p", "f1")
    assert len(server.seen) == 1
    client.embed(["a"], "query")
    assert client.info().fingerprint == "f2"


def test_video_memory_is_leased_only_for_a_gpu() -> None:
    assert EngineClient.from_settings(Settings()).lease is None
    on_gpu = EngineClient.from_settings(Settings(embedder_device="cuda:0", embedder="bge-m3", embedder_path="/weights")).lease
    assert on_gpu is not None
    assert on_gpu[0] == "vram"
    assert 0 < on_gpu[1] <= Settings().vram_budget_mb
    elsewhere = Settings(embedder_device="cuda:0", embedding_url="http://127.0.0.1:8080")
    assert EngineClient.from_settings(elsewhere).lease is None, "the memory is another machine's"


def test_a_call_loads_no_certificate_authorities(server: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes 40 ms of CPU, and each chunk of a document is a call."""
    server.script = [(200, {"fingerprint": "f", "extractions": [{}]})]
    client = EngineClient(server.address)
    loaded: list[object] = []
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *paths, **_: loaded.append(paths))
    asyncio.run(ExtractorClient(client).extract("text", Schema()))
    assert loaded == []


def test_importing_the_client_loads_nothing_heavy() -> None:
    heavy = {"torch", "docling", "spacy", "FlagEmbedding", "transformers", "numpy", "litserve"}
    code = f"import sys, aegis_assets.engines.client; print(sorted({heavy} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"


def info(**changes: object) -> tuple[int, Any]:
    return 200, {"parser": "p", "ocr": "o", "embedder": INFO, "extractor": "e", "extractor_fingerprint": "f", **changes}


def test_a_parser_elsewhere_that_is_away_is_an_error_of_the_parser_alone_and_asked_for_again(server: Scripted) -> None:
    """A search asks what the embedder is, and needs no parser."""
    away = {"kind": "engine_unavailable", "message": "docling-serve is away.", "retryable": True}
    server.script = [info(parser="", problem=away), info(parser="", problem=away), info(parser="back")]
    client = EngineClient(server.address)
    assert client.info().name == INFO["name"]
    with pytest.raises(EngineUnavailable, match="docling-serve is away") as caught:
        client.fingerprint()
    assert caught.value.retryable
    assert client.fingerprint() == "back"
    assert client.fingerprint() == "back"
    assert len(server.seen) == 3


def test_what_the_server_is_is_believed_for_as_long_as_asked_for(server: Scripted) -> None:
    server.script = [info(parser="old"), info(parser="new")]
    client = EngineClient(server.address, info_seconds=0.0)
    assert [client.fingerprint(), client.fingerprint()] == ["old", "new"]


def test_what_the_server_is_can_be_asked_anew(server: Scripted) -> None:
    server.script = [info(parser="old"), info(parser="new")]
    client = EngineClient(server.address)
    assert [client.fingerprint(), client.fingerprint()] == ["old", "old"]
    client.forget()
    assert client.fingerprint() == "new"


def test_the_doctor_hears_what_parses_elsewhere(server: Scripted) -> None:
    server.script = [(200, {"parser": "1.38.0"}), encode_error(Misconfigured("The key is wrong."))]
    assert EngineClient(server.address).check_parser() == "1.38.0"
    with pytest.raises(Misconfigured, match="The key is wrong"):
        EngineClient(server.address).check_parser()
