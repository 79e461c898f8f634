"""Every way in which docling-serve does not convert, with its real answer: the cause is named, the class says whether to retry."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis_assets.engines.parsing.docling_serve.options import ServeOptions
from aegis_assets.engines.parsing.docling_serve.server import Server
from aegis_assets.errors import AegisError, BadInput, EngineFailed, EngineUnavailable, LimitExceeded, Misconfigured
from tests.doubles import docling_serve as double
from tests.doubles import docling_serve_work as work
from tests.engines.parsing import makers
from tests.engines.parsing.serving import client


@pytest.fixture
def server(docling_serve: double.Double) -> double.Double:
    return docling_serve


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.pdf"
    path.write_bytes(work.pdf(list(work.texts(3))))
    return path


def fault(serve_url: str, file: Path, options: ServeOptions | None = None, **more: object) -> AegisError:
    with pytest.raises(AegisError) as caught:
        client(serve_url, options, **more).convert(file, "pdf")  # type: ignore[arg-type]
    return caught.value


@pytest.mark.parametrize(
    ("behaviour", "error", "retryable", "says"),
    [
        ("429", EngineUnavailable, True, "overloaded (HTTP 429)"),
        ("503", EngineUnavailable, True, "overloaded (HTTP 503)"),
        ("504", EngineUnavailable, True, "overloaded (HTTP 504)"),
        ("401", Misconfigured, False, "AEGIS_DOCLING_SERVE_API_KEY"),
        ("404", Misconfigured, False, "no docling-serve with interface v1"),
        ("405", Misconfigured, False, "no docling-serve with interface v1"),
        ("moved", Misconfigured, False, "to another address (HTTP 308). Set AEGIS_DOCLING_SERVE_URL"),
        ("413", LimitExceeded, False, "AEGIS_WINDOW_PAGES"),
        ("400", EngineFailed, False, "refuses the request (HTTP 400): as asked."),
        ("500", EngineFailed, True, "(HTTP 500): as asked."),
        ("html", EngineFailed, True, "not JSON"),
        ("junk", EngineFailed, True, "damaged"),
        ("nothing", EngineFailed, True, "without a document"),
        ("empty", EngineFailed, True, "without a document"),
        ("closed", EngineUnavailable, True, "does not answer"),
    ],
)
def test_every_wrong_answer_is_one_clear_sentence(
    server: double.Double, file: Path, behaviour: str, error: type[AegisError], retryable: bool, says: str
) -> None:
    told = fault(server.address(behaviour), file)
    assert isinstance(told, error)
    assert told.retryable is retryable
    assert says in told.message


def test_a_task_that_failed_inside_the_server_is_not_a_server_that_is_not_there(server: double.Double, tmp_path: Path) -> None:
    """It answers 404 where its result is asked for, which was taken for an address without docling-serve."""
    path = tmp_path / "a.pdf"
    path.write_bytes(work.pdf(["Page 1"]) + b"\n% CRASHES\n")
    told = fault(server.address(), path)
    assert isinstance(told, EngineFailed)
    assert told.retryable
    assert told.message == "The conversion failed inside docling-serve: Internal processing error. Its log has the details."


def test_a_result_that_is_not_there_is_a_failed_conversion_too(server: double.Double, file: Path) -> None:
    server.loses_results = True
    told = fault(server.address(), file)
    assert isinstance(told, EngineFailed)
    assert told.message == "The conversion failed inside docling-serve, without a result. Its log has the details."


@pytest.mark.parametrize(
    ("category", "error", "retryable", "says"),
    [
        ("policy", LimitExceeded, False, "DOCLING_SERVE_MAX_FILE_SIZE"),
        ("timeout", EngineFailed, True, "AEGIS_DOCLING_SERVE_DOCUMENT_TIMEOUT"),
        ("capacity", EngineUnavailable, True, "no memory or workers left"),
        ("internal", EngineFailed, True, "inside docling-serve: it broke"),
        ("of_a_newer_server", EngineFailed, True, "inside docling-serve: it broke"),
    ],
)
@pytest.mark.parametrize("at", ["status", "result"])
def test_a_failed_task_says_by_its_category_what_failed(
    server: double.Double, file: Path, category: str, error: type[AegisError], retryable: bool, says: str, at: str
) -> None:
    server.failure = {"category": category, "message": "it broke", "retryable": False, "phase": "execution", "details": {}}
    server.failure_at = at
    told = fault(server.address(), file)
    assert isinstance(told, error)
    assert told.retryable is retryable
    assert says in told.message


# The document


@pytest.mark.parametrize("status", ["failure", "partial_success"])
@pytest.mark.parametrize(
    ("entries", "error", "retryable", "says"),
    [
        ([("backend_failure", "Page failed to parse.", 2, "document_backend")], BadInput, False, "(page 2): Page failed to parse."),
        ([("backend_failure", "It has no end.", None, "user_input")], BadInput, False, "cannot read the document: It has no end."),
        ([("unknown", "Broken.", None, "document_backend")], BadInput, False, "cannot read the document: Broken."),
        ([("timeout", "document timeout exceeded", 2, "pipeline")], EngineFailed, True, "AEGIS_DOCLING_SERVE_DOCUMENT_TIMEOUT"),
        ([("inference_failure", "CUDA error", 3, "model")], EngineFailed, True, "failed on the document (page 3): CUDA error."),
        ([("unknown", "no weights", None, "pipeline")], EngineFailed, True, "failed on the document: no weights."),
        ([("capacity", "out of memory", None, "pipeline")], EngineUnavailable, True, "no memory or workers left"),
        ([("policy", "File format not allowed: a.pdf", None, "user_input")], EngineFailed, False, "Its settings decide that."),
        ([("a_new_word", "Something.", None, "a_new_part")], EngineFailed, True, "failed on the document: Something."),
        ([("unknown", "", None, "pipeline")], EngineFailed, True, "it gives no reason"),
        (
            [("timeout", "too slow", 1, "pipeline"), ("backend_failure", "No page.", 3, "document_backend")],
            BadInput, False, "(page 3): No page.",
        ),
    ],
)  # fmt: skip
def test_what_errors_name_decides_whose_fault_it_is(
    server: double.Double,
    file: Path,
    status: str,
    entries: list[tuple[str, str, int | None, str]],
    error: type[AegisError],
    retryable: bool,
    says: str,
) -> None:
    server.work.status, server.work.errors = status, [work.error(*entry) for entry in entries]
    told = fault(server.address(), file)
    assert isinstance(told, error)
    assert told.retryable is retryable
    assert says in told.message


def test_a_failure_without_a_reason_is_not_the_documents(server: double.Double, file: Path) -> None:
    server.work.status = "failure"
    told = fault(server.address(), file)
    assert isinstance(told, EngineFailed)
    assert "gives no reason" in told.message


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ({"file_size": 100}, "exceeds the max_file_size limit of 100 bytes. Raise its DOCLING_SERVE_MAX_FILE_SIZE"),
        ({"num_pages": 2}, "has 3 pages, exceeding the max_num_pages limit of 2. Raise its DOCLING_SERVE_MAX_NUM_PAGES"),
    ],
)
def test_a_limit_of_the_server_is_named_and_not_blamed_on_the_document(
    server: double.Double, file: Path, limit: dict[str, int], says: str
) -> None:
    server.work.limits = work.Limits(**limit)
    told = fault(server.address(), file)
    assert isinstance(told, LimitExceeded)
    assert says in told.message
    assert "lower AEGIS_WINDOW_PAGES" in told.message


def test_what_an_error_says_is_cleaned_and_shortened(server: double.Double, file: Path) -> None:
    server.work.status = "failure"
    server.work.errors = [work.error("backend_failure", "a\u202e\x00b\n\n" + "c" * 5000, component="user_input")]
    message = fault(server.address(), file).message
    assert message.startswith("docling-serve cannot read the document: ab ccc")
    assert len(message) < 500


def test_errors_that_are_none_do_no_harm(server: double.Double, file: Path) -> None:
    server.work.status = "failure"
    server.work.errors = ["x", None, {"category": 3}, {"error_message": 5, "page_no": "one"}]  # type: ignore[list-item]
    assert isinstance(fault(server.address(), file), EngineFailed)


def test_a_newer_schema_is_called_newer_and_not_damaged(server: double.Double, file: Path) -> None:
    server.work.version = "1.99.0"
    told = fault(server.address(), file)
    assert isinstance(told, EngineFailed)
    assert not told.retryable
    assert "schema 1.99.0, which is newer than what is read here (1.10.0)" in told.message


# The request


def test_the_reason_of_a_422_is_shown_and_the_request_not_repeated(server: double.Double, file: Path) -> None:
    server.work.limits = work.Limits(images_scale=1.0)
    told = fault(server.address(), file, patience=20.0)
    assert isinstance(told, Misconfigured)
    assert "images_scale exceeds the configured maximum of 1.0." in told.message
    assert server.calls["POST /v1/convert/file/async"] == 1


def test_the_fields_of_a_422_are_named(server: double.Double, file: Path) -> None:
    server.invalid = [{"type": "enum", "loc": ["body", "table_mode"], "msg": "Input should be 'fast' or 'accurate'"}]
    told = fault(server.address(), file)
    assert isinstance(told, Misconfigured)
    assert "table_mode: Input should be 'fast' or 'accurate'." in told.message


def test_a_server_that_does_not_take_the_upload_is_not_sent_it_twice(server: double.Double, file: Path) -> None:
    """It may have taken it: then the document would be converted twice."""
    with pytest.raises(EngineUnavailable, match="took no upload in time"):
        client(server.address("hangs"), patience=20, answer_seconds=0.3).convert(file, "pdf")
    assert len(server.files) == 1


@pytest.mark.parametrize(
    "url", ["localhost:5001", "docling:5001/", "", "ftp://docling", "http://", "http://a b", "http://x:y", "//h"]
)
def test_an_address_without_a_scheme_is_said_to_be_one(url: str) -> None:
    with pytest.raises(Misconfigured, match="AEGIS_DOCLING_SERVE_URL is no complete address: write it with its scheme"):
        Server(url)


@pytest.mark.parametrize("key", [" hush", "hush ", "hush\n", "hu\nsh", "hu\x00sh"])
def test_a_key_with_a_blank_is_said_to_have_one(key: str) -> None:
    with pytest.raises(
        Misconfigured, match="AEGIS_DOCLING_SERVE_API_KEY begins or ends with a blank or holds a line break"
    ) as caught:
        Server("http://docling:5001", key)
    assert "hu" not in caught.value.message.replace("which", "")


def test_a_key_with_a_letter_that_no_header_can_carry_is_said_to_have_one() -> None:
    with pytest.raises(Misconfigured, match="AEGIS_DOCLING_SERVE_API_KEY holds a letter that is not ASCII"):
        Server("http://docling:5001", "schlüssel")


def test_a_wrong_key_is_named_by_its_setting(server: double.Double, file: Path) -> None:
    server.api_key = "hush"
    assert "AEGIS_DOCLING_SERVE_API_KEY" in fault(server.address(), file, key="loud").message
    assert client(server.address(), key="hush").convert(file, "pdf")["texts"]


def test_a_server_that_is_not_there_is_unavailable(file: Path) -> None:
    told = fault("http://127.0.0.1:9", file)
    assert isinstance(told, EngineUnavailable)
    assert "http://127.0.0.1:9 does not answer (ConnectError). Start it" in told.message


def test_a_password_in_the_address_is_in_no_sentence(file: Path) -> None:
    assert "hush" not in fault("http://user:hush@127.0.0.1:9", file).message


# TLS


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[double.Double, Path]]:
    """A double with a certificate that it signed itself, and that certificate."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = makers.certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with double.running(tls=context) as server:
        yield server, certificate


def test_an_unknown_certificate_is_named_with_the_setting_that_makes_it_known(
    secured: tuple[double.Double, Path], file: Path
) -> None:
    server, certificate = secured
    url = server.address().replace("http://", "https://")
    told = fault(url, file)
    assert isinstance(told, Misconfigured)
    assert "cannot be trusted: self-signed certificate. Name the authority that signed it in AEGIS_CA_FILE" in told.message
    assert client(url, ca_file=str(certificate)).convert(file, "pdf")["texts"]


def test_https_to_a_server_without_tls_is_said_to_be_that(server: double.Double, file: Path) -> None:
    told = fault(server.address().replace("http://", "https://"), file)
    assert isinstance(told, Misconfigured)
    assert "No TLS connection" in told.message
