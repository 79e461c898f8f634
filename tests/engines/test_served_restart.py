"""An engine server in front of a docling-serve is killed in the middle of a window, and started again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from aegis_assets.engines.client import EngineClient
from aegis_assets.engines.service.tasks import PREFIX
from aegis_assets.errors import AegisError, EngineFailed
from aegis_assets.model.parsing import ParseRequest
from aegis_assets.settings import Settings
from aegis_assets.stores.bucket import open_bucket
from tests import waiting
from tests.doubles import docling_serve_work as work
from tests.doubles.docling_serve import VERSIONS, Double
from tests.engine_service import READY_SECONDS, start_engine_server, stop
from tests.engines.parsing.serving import request


def give_up(client: EngineClient, asked: ParseRequest) -> None:
    with suppress(AegisError, RuntimeError):  # its server is killed, and then the client closed
        client.parse(asked)


@pytest.mark.slow
def test_the_next_engine_server_takes_the_task_and_what_its_parser_is_stops_no_search(
    docling_serve: Double, tmp_path: Path
) -> None:
    docling_serve.gate.clear()
    env = {"AEGIS_DOCLING_SERVE_URL": docling_serve.address(), "AEGIS_BUCKET_URL": (tmp_path / "bucket").as_uri()}
    bucket = open_bucket(env["AEGIS_BUCKET_URL"], Settings())
    bucket.put("blobs/a", work.pdf(list(work.texts(5))))
    asked = request(2, 3, 5).model_copy(update={"blob": "blobs/a", "artifacts": "artifacts/d/window-2-f"})
    process, address, token = start_engine_server(tmp_path / "home", env, wait=False)
    try:
        first = EngineClient(address, token, patience=READY_SECONDS)
        thread = Thread(target=give_up, args=(first, asked), daemon=True)
        thread.start()
        waiting.until(lambda: list(bucket.keys(PREFIX)), READY_SECONDS)
    finally:
        process.kill()
        process.wait(20)
    first.close()
    docling_serve.gate.set()
    docling_serve.versions = {"another": "server"}
    process, address, token = start_engine_server(tmp_path / "home", env, wait=False)
    try:
        client = EngineClient(address, token, patience=READY_SECONDS)
        assert client.parse(asked).items == 8
        assert (docling_serve.done, docling_serve.calls["POST /v1/convert/file/async"]) == (1, 1)
        assert client.info().name
        with pytest.raises(EngineFailed, match="is no docling-serve"):
            client.fingerprint()
        docling_serve.versions = dict(VERSIONS)
        assert waiting.until(lambda: known(client), 60)
        assert client.check_parser().startswith("1.38.0")
    finally:
        stop(process)


def known(client: EngineClient) -> str:
    try:
        return client.fingerprint()
    except EngineFailed:
        return ""
