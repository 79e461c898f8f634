"""Which documents meet in a child: real children, real parsers; the children are counted."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path
from threading import Event
from typing import NamedTuple

import pytest

from aegis_assets.engines.sandbox import Child, Sandbox
from aegis_assets.engines.service import documents as module
from aegis_assets.engines.service.documents import Documents
from aegis_assets.errors import BadInput, LimitExceeded
from aegis_assets.model.parsing import ChunkRequest, Inspection, InspectRequest, ParsedWindow, ParseRequest
from aegis_assets.pipeline.ports import Bucket
from aegis_assets.settings import Settings
from aegis_assets.stores.bucket import open_bucket
from tests.engines.parsing import makers


class Counting(Sandbox):
    """Real, and remembers its children."""

    def __init__(self) -> None:
        super().__init__(preload=["aegis_assets.engines.service.preload"])
        self.children: list[Child] = []

    def child(self) -> Child:
        self.children.append(super().child())
        return self.children[-1]


class Bench(NamedTuple):
    documents: Documents
    bucket: Bucket
    sandbox: Counting
    scratch: Path

    def inspect(self, name: str, content: bytes) -> Inspection:
        self.bucket.put(f"blobs/{name}", content)
        return self.documents.inspect(InspectRequest(blob=f"blobs/{name}", name=name, artifacts=f"artifacts/{name}"), Event())

    def parse(self, name: str, found: Inspection) -> ParsedWindow:
        request = ParseRequest(
            blob=f"blobs/{name}", name=name, format=found.format, unit=found.unit, whole=found.whole, first=1,
            last=len(found.parts), length=len(found.parts), facts=found.facts, artifacts=f"artifacts/{name}",
        )  # fmt: skip
        return self.documents.parse(request, Event())

    def chunk(self, parsed: ParsedWindow) -> str:
        answer = self.documents.chunk(ChunkRequest(artifact=parsed.artifact, headings=(), descriptions=()), Event())
        return "\n".join(chunk.text for chunk in answer.chunks)

    def text(self, name: str, content: bytes) -> str:
        return self.chunk(self.parse(name, self.inspect(name, content)))


@pytest.fixture(scope="module")
def template() -> Iterator[None]:
    """A process has one template, which other tests want small. This one has docling, as the server's: else children grow by it."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    yield
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


@pytest.fixture
def bench(tmp_path: Path, template: None) -> Iterator[Bench]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    chosen = Settings()
    bucket = open_bucket((tmp_path / "bucket").as_uri(), chosen)
    sandbox = Counting()
    documents = Documents(chosen, bucket, sandbox, scratch)
    yield Bench(documents, bucket, sandbox, scratch)
    documents.rest()
    assert all(child.closed for child in sandbox.children)


def test_texts_share_a_child_and_each_is_read_as_its_own(bench: Bench) -> None:
    assert bench.text("a.txt", b"Words of a.") == "Words of a."
    assert bench.text("b.txt", b"Words of b.") == "Words of b."
    assert len(bench.sandbox.children) == 1
    assert [path.name for path in bench.scratch.iterdir()] == ["kept"], "a call leaves nothing"


def test_what_a_parser_in_c_has_read_shares_no_child(bench: Bench) -> None:
    bench.inspect("a.txt", b"Words of a.")
    [shared] = bench.sandbox.children
    found = bench.inspect("a.docx", makers.docx(makers.png()))
    _, own = bench.sandbox.children
    assert (own.calls, own.closed) == (1, True)
    assert len(bench.parse("a.docx", found).pictures) == 1
    assert len(bench.sandbox.children) == 3, "a picture is decoded"
    bench.inspect("b.txt", b"Words of b.")
    assert (len(bench.sandbox.children), shared.closed) == (3, False)


def test_after_a_refusal_the_next_text_has_a_fresh_child(bench: Bench) -> None:
    with pytest.raises(BadInput, match="white space"):
        bench.inspect("a.txt", b" \n \n")
    assert bench.text("b.txt", b"Words of b.") == "Words of b."
    assert [child.closed for child in bench.sandbox.children] == [True, False]


def test_a_file_is_too_large_here_when_it_is_where_files_come_in(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte is one million bytes everywhere."""
    monkeypatch.setattr(bench.documents, "_chosen", Settings(max_file_mb=1))
    bench.inspect("a.txt", b"a" * 1_000_000)
    with pytest.raises(BadInput, match=r"larger than 1 MB \(AEGIS_MAX_FILE_MB\)"):
        bench.inspect("b.txt", b"a" * 1_000_001)


def test_limits_hold_in_a_shared_child_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.inspect("a.txt", b"Words of a.")
    monkeypatch.setattr(bench.documents, "_limits", module.Limits(60, 1))
    with pytest.raises(LimitExceeded, match="AEGIS_PARSE_MEMORY_MB"):
        bench.inspect("b.csv", b"a,b\n" + b"1,2\n" * 200_000)
    assert bench.sandbox.children[0].closed
