"""A document through the job with a language model that describes what it names, once the document is done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aegis_assets.model.document import State
from tests.defs.conftest import Bench
from tests.defs.test_llm_servers import book
from tests.doubles.ollama import OllamaDouble

TOLD = "SELECT text FROM aegis_description WHERE text <> ''"


@pytest.fixture
def model(environment: pytest.MonkeyPatch) -> Iterator[OllamaDouble]:
    """Yield a double that may be asked about two entities a run. The platform is built after it."""
    with OllamaDouble() as double:
        environment.setenv("AEGIS_OLLAMA_URL", double.url)
        environment.setenv("AEGIS_LLM_DESCRIPTIONS", "2")
        yield double


def test_a_document_is_done_and_then_as_many_entities_are_described_as_the_setting_says(model: OllamaDouble, bench: Bench) -> None:
    document = bench.register("book.md", book(3))
    bench.materialize(document)
    assert bench.result(document)["state"] == State.SUCCEEDED, bench.result(document)
    with bench.platform.ledger.connection() as connection:  # type: ignore[attr-defined]
        told = [row["text"] for row in connection.execute(TOLD)]
    assert len(told) == 2
    assert all(text.startswith("A picture (none). The name: ") for text in told), "what the double says"
    assert bench.agree(document)


def test_a_model_that_cannot_describe_fails_no_document(model: OllamaDouble, bench: Bench) -> None:
    model.fault("503", match="The name: ")
    document = bench.register("book.md", book(3))
    result = bench.materialize(document)
    assert (result.success, bench.result(document)["state"]) == (True, State.SUCCEEDED)
    with bench.platform.ledger.connection() as connection:  # type: ignore[attr-defined]
        assert connection.execute(TOLD).fetchall() == []
