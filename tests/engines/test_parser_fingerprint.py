"""What decides a parse, where a docling-serve does it and where this machine does."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from aegis_assets.engines.parsing.docling_serve.server import HIDDEN, Server
from aegis_assets.engines.service.parser import FAILED_SECONDS, KNOWN_SECONDS, ParserFingerprint
from aegis_assets.errors import EngineFailed, EngineUnavailable
from aegis_assets.settings import Settings
from tests.doubles.docling_serve import Double


def settings(server: Double, **changes: object) -> Settings:
    return Settings.model_validate({"docling_serve_url": server.address(), **changes})


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_fingerprint_is_of_the_server_and_the_options_and_not_of_the_address(docling_serve: Double) -> None:
    first = ParserFingerprint(settings(docling_serve)).current()
    assert ParserFingerprint(settings(docling_serve, docling_serve_url=docling_serve.address("good/"))).current() == first
    assert ParserFingerprint(settings(docling_serve, docling_serve_api_key=SecretStr("other"))).current() == first
    assert ParserFingerprint(settings(docling_serve, docling_serve_document_timeout=9)).current() == first
    others = [
        {"docling_serve_ocr": "force"}, {"docling_serve_ocr_languages": "de"}, {"docling_serve_table_mode": "fast"},
        {"docling_serve_headings": False}, {"docling_serve_picture_scale": 1.0}, {"picture_min_pixels": 65},
    ]  # fmt: skip
    prints = {ParserFingerprint(settings(docling_serve, **change)).current() for change in others}
    assert len(prints | {first}) == len(others) + 1


def test_an_upgraded_server_is_another_parser_within_a_minute(docling_serve: Double) -> None:
    clock = Clock()
    parser = ParserFingerprint(settings(docling_serve), clock)
    first = parser.current()
    assert docling_serve.versions is not None
    docling_serve.versions["docling"] = "2.150.0"
    assert parser.current() == first
    assert docling_serve.calls["GET /version"] == 1
    clock.now += KNOWN_SECONDS
    assert parser.current() != first


def test_a_python_or_a_system_that_is_upgraded_is_no_other_parser(docling_serve: Double) -> None:
    first = ParserFingerprint(settings(docling_serve)).current()
    assert docling_serve.versions is not None
    docling_serve.versions |= {"python": "cpython-313", "plaform": "Linux-7"}
    assert ParserFingerprint(settings(docling_serve)).current() == first


def test_a_server_that_is_away_is_said_so_and_asked_again_soon(docling_serve: Double) -> None:
    clock = Clock()
    parser = ParserFingerprint(settings(docling_serve, docling_serve_url="http://127.0.0.1:9"), clock)
    with pytest.raises(EngineUnavailable, match=r"docling-serve at http://127.0.0.1:9 does not answer"):
        parser.current()
    clock.now += FAILED_SECONDS
    with pytest.raises(EngineUnavailable):
        parser.current()


def test_what_this_machine_parses_has_the_fingerprint_that_it_had(docling_serve: Double) -> None:
    """An address that another parser does not use is no part of it: else all documents would be parsed anew."""
    assert (
        ParserFingerprint(settings(docling_serve, parser="rules")).current()
        == ParserFingerprint(Settings(parser="rules")).current()
    )
    assert docling_serve.calls == {}


# The version of a docling-serve


def test_the_version_names_what_decides_a_result_and_nothing_else(docling_serve: Double) -> None:
    versions = Server(docling_serve.address()).versions()
    assert versions["docling-serve"] == "1.38.0"
    assert versions.keys() == {"docling-serve", "docling-jobkit", "docling", "docling-core", "docling-ibm-models", "docling-parse"}


def test_a_server_that_hides_its_version_is_used_all_the_same(docling_serve: Double) -> None:
    docling_serve.versions = None
    assert Server(docling_serve.address()).versions() == {"docling-serve": HIDDEN}


def test_another_server_at_the_address_is_no_docling_serve(docling_serve: Double) -> None:
    docling_serve.versions = {"ollama": "0.12"}
    with pytest.raises(EngineFailed, match="no docling-serve"):
        Server(docling_serve.address()).versions()


def test_a_server_that_is_away_does_not_name_its_version() -> None:
    with pytest.raises(EngineUnavailable, match="does not answer"):
        Server("http://127.0.0.1:9").versions()
