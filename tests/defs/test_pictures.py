"""Pictures through the job: a description is asked for once, and again only when something went wrong."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from uuid import UUID

import pytest
from PIL import Image, ImageDraw
from reportlab.lib.pagesizes import A5
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from aegis_assets.model.document import State
from tests.defs.conftest import Bench
from tests.doubles.ollama import OllamaDouble


@pytest.fixture
def ollama(environment: pytest.MonkeyPatch) -> Iterator[OllamaDouble]:
    with OllamaDouble(slots=4) as double:
        environment.setenv("AEGIS_OLLAMA_URL", double.url)
        environment.setenv("AEGIS_VISION_MODEL", "qwen3:32b")
        yield double


def illustrated(texts: list[str], pictures: Sequence[int] = ()) -> bytes:
    """A PDF with a picture below each text: of its own, or of these numbers."""
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=A5, invariant=1)
    for number, text in zip(pictures or range(1, len(texts) + 1), texts, strict=True):
        canvas.setFont("Helvetica", 10)
        canvas.drawString(50, 490, text)
        image = Image.new("RGB", (200, 200), (20 * number, 120, 200))
        ImageDraw.Draw(image).ellipse((20, 20, 60 + 30 * number, 180), fill=(250, 250, 10))
        canvas.drawImage(ImageReader(image), 50, 200, 200, 200)
        canvas.showPage()
    canvas.save()
    return target.getvalue()


TEXTS = [f"Charles Babbage designed engine number {number} in London." for number in (1, 2, 3)]


def asked(ollama: OllamaDouble) -> int:
    return sum("images" in str(request) for request in ollama.requests())


def keys(bench: Bench, document: UUID) -> list[str]:
    return [key for key in bench.platform.bucket.keys("") if str(document) in key]


def test_another_text_beside_them_asks_for_no_picture_again(ollama: OllamaDouble, bench: Bench) -> None:
    document = bench.register("engines.pdf", illustrated(TEXTS))
    bench.materialize(document)
    assert bench.result(document)["state"] == State.SUCCEEDED, bench.result(document)
    assert asked(ollama) == 3
    ollama.reset()

    bench.register("engines.pdf", illustrated([*TEXTS[:2], "Joseph Clement built engine number 3 in Lambeth."]))
    bench.materialize(document)
    result = bench.result(document)
    assert result["state"] == State.SUCCEEDED, result
    assert result["work"]["parsed_windows"] == 1  # type: ignore[index]
    assert asked(ollama) == 0
    assert result["work"]["llm_calls"] == len(ollama.requests()) > 0  # type: ignore[index]


def test_descriptions_go_with_the_document(ollama: OllamaDouble, bench: Bench) -> None:
    document = bench.register("removed.pdf", illustrated(TEXTS))
    bench.materialize(document)
    assert sum(key.startswith("descriptions/") for key in keys(bench, document)) == 3
    bench.platform.ledger.request_removal(document)  # type: ignore[attr-defined]
    assert bench.remove(document).success
    assert keys(bench, document) == []


def test_a_picture_that_could_not_be_described_is_asked_for_again_alone(ollama: OllamaDouble, bench: Bench) -> None:
    ollama.fault("not_ollama", match="no caption", times=1)
    document = bench.register("failed.pdf", illustrated(TEXTS))
    bench.materialize(document)
    assert bench.result(document)["state"] == State.PARTIAL, bench.result(document)
    assert asked(ollama) == 3
    ollama.reset()

    bench.materialize(document)
    assert bench.result(document)["state"] == State.SUCCEEDED, bench.result(document)
    assert asked(ollama) == 1


@pytest.fixture(params=[1, 16])
def window_pages(request: pytest.FixtureRequest, environment: pytest.MonkeyPatch) -> int:
    environment.setenv("AEGIS_WINDOW_PAGES", str(request.param))
    return int(request.param)


def test_a_picture_that_is_met_several_times_at_once_is_described_once(
    ollama: OllamaDouble, window_pages: int, bench: Bench
) -> None:
    """A logo on every page, of one window or of several."""
    ollama.configure(vision_latency="constant:3")
    document = bench.register(f"logo-{window_pages}.pdf", illustrated(TEXTS, [1] * len(TEXTS)))
    bench.materialize(document)
    assert bench.result(document)["state"] == State.SUCCEEDED, bench.result(document)
    assert asked(ollama) == 1
    assert sum(key.startswith("descriptions/") for key in keys(bench, document)) == 1


@pytest.mark.slow
def test_a_model_that_answers_nothing_is_asked_about_few_pictures_and_the_document_waits(
    ollama: OllamaDouble, environment: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    environment.setenv("AEGIS_LLM_FIRST_TOKEN_TIMEOUT", "0.5")
    environment.setenv("AEGIS_OUTAGE_SECONDS", "0.5")
    bench: Bench = request.getfixturevalue("bench")
    ollama.fault("never", match="no caption")
    document = bench.register("silent.pdf", illustrated([*TEXTS * 4]))
    bench.materialize(document)
    row = bench.platform.ledger.document(document)
    assert (row.state, row.waiting_for) == (State.PENDING, "the language model")
    assert asked(ollama) < 20, "two for each picture, and more, unless the others stop with the first"


def test_where_one_asks_in_vain_the_next_one_asks(ollama: OllamaDouble, bench: Bench) -> None:
    ollama.fault("not_ollama", match="no caption", times=1)
    document = bench.register("logo.pdf", illustrated(TEXTS, [1] * len(TEXTS)))
    bench.materialize(document)
    assert bench.result(document)["state"] == State.PARTIAL, bench.result(document)
    assert asked(ollama) == 2
