"""A document whose work takes set seconds: its file, the doubles' settings, what each window takes, and how a run of it went.

The file is what tests.doubles.engine_work reads. Latencies belong to the texts, so what a document's work takes is known exactly
before it runs, and a schedule of it can be computed beside the one that was measured.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aegis_assets.pipeline.prompts import vision_question
from bench.corpus import Corpus
from bench.doubles import Doubles
from bench.harness import Row, Stack
from bench.idle import Idle, idle
from bench.processes import Usage
from bench.simulation import Window
from tests.doubles.engine_work import Page
from tests.doubles.ollama_answers import latency, passage, same_words

SPREAD: Final = 0.5  # a chunk's latency is drawn evenly from the mean +- half of it
READY: Final = """
SELECT c.text, extract(epoch FROM w.enriched_at)::float AS ready FROM aegis_placement p
JOIN aegis_chunk c ON c.id = p.chunk_id JOIN aegis_window w ON w.id = p.window_id WHERE w.document_id = %(document)s"""
WINDOWS: Final = "SELECT first, last FROM aegis_window WHERE document_id = %(document)s ORDER BY ordinal"


@dataclass(frozen=True)
class Seconds:
    """Of a whole document, one thing after the other."""

    parse: float
    pictures: float
    chunk: float
    embed: float
    extract: float

    def divided(self, factor: float) -> Seconds:
        return Seconds(*(value / factor for value in (self.parse, self.pictures, self.chunk, self.embed, self.extract)))


@dataclass(frozen=True)
class Replay:
    """pages: the texts of the pages, as they stand in the file."""

    pages: tuple[str, ...]
    seconds: Seconds
    seed: int

    def write(self, path: Path) -> Path:
        path.write_text("\f".join(self.pages))
        return path

    def costs(self, parsers: int = 1) -> dict[str, float]:
        """Of the engine double."""
        kchars = sum(len(text) for page in self._read() for text in page.texts()) / 1000
        return {
            "parsers": parsers,
            "parse_page": self.seconds.parse / len(self.pages),
            "chunk_page": self.seconds.chunk / len(self.pages),
            "embed_kchar": self.seconds.embed / kchars,
        }

    def behaviour(self, slots: int) -> dict[str, Any]:
        """Of the Ollama double."""
        return {"slots": slots, "seed": self.seed, "latency": self._latency(), "vision_latency": self._vision()}

    def windows(self, cut: Sequence[tuple[int, int]]) -> list[Window]:
        """What each window takes. cut: first and last page of each, from 1."""
        costs, read = self.costs(), self._read()
        found = []
        for first, last in cut:
            inside = read[first - 1 : last]
            texts = [text for page in inside for text in page.texts()]
            captions = [caption for page in inside for caption in page.captions]
            found.append(
                Window(
                    parse=costs["parse_page"] * len(inside),
                    pictures=tuple(latency(self._vision(), self.seed, _asked(caption)) for caption in captions),
                    chunk=costs["chunk_page"] * len(inside),
                    embed=costs["embed_kchar"] * sum(map(len, texts)) / 1000,
                    chunks=tuple(latency(self._latency(), self.seed, text) for text in texts),
                )
            )
        return found

    def _read(self) -> list[Page]:
        return [Page.of(page) for page in self.pages]

    def _latency(self) -> str:
        return _around(self.seconds.extract / max(1, sum(len(page.chunks) for page in self._read())))

    def _vision(self) -> str:
        return _around(self.seconds.pictures / max(1, sum(len(page.captions) for page in self._read())))


def _around(mean: float) -> str:
    return f"uniform:{mean * (1 - SPREAD)}:{mean * (1 + SPREAD)}"


def _asked(caption: str) -> str:
    return passage([{"role": "user", "content": vision_question(caption)}])


def pages(count: int, *, seed: int, chunks: int = 1, picture_every: int = 0, sentences: int = 6) -> tuple[str, ...]:
    """chunks: per page. picture_every: a picture on each so-manieth page, none if 0."""
    corpus = Corpus(seed)
    found = []
    for number in range(1, count + 1):
        blocks = [f"## Section {number}"]
        blocks += [" ".join(corpus.sentence() for _ in range(sentences)) for _ in range(chunks)]
        if picture_every and number % picture_every == 0:
            blocks.append(f"![Figure {number} of edition {seed}]()")
        found.append("\n\n".join(blocks))
    return tuple(found)


@dataclass(frozen=True)
class Course:
    """How a run went. Seconds since the document's registration. work: (lane, start, end) of each call of an engine."""

    report: Row
    measured: float
    begun: float
    first_parse: float
    last_answer: float
    cut: tuple[tuple[int, int], ...]
    idle: Idle
    work: tuple[tuple[str, float, float], ...]
    event_rows: int


def run(stack: Stack, doubles: Doubles, path: Path, collection: str, slots: int) -> Course:
    """Ingest it, and read from ledger and doubles what happened when."""
    [report] = stack.ingest(path, collection=collection)
    document = report["document"]
    way = stack.timeline(document)
    zero = way["created_at"].timestamp()
    clock = time.time() - time.monotonic() - zero  # the doubles' clock to seconds since the registration
    calls = [(one["call"], one["started"] + clock, one["ended"] + clock) for one in doubles.engine_calls()]
    asked = doubles.llm_calls()
    llm = [("pictures" if one["picture"] else "extract", one["granted"] + clock, one["finished"] + clock) for one in asked]
    taken = {one["text_hash"]: one["granted"] + clock for one in asked if not one["picture"]}
    ready = []
    for row in stack.rows(READY, document=document):
        since, key = row["ready"] - zero, hashlib.sha256(same_words(row["text"]).encode()).hexdigest()
        ready.append((since, taken.get(key, since)))
    return Course(
        report=report,
        measured=way["finished_s"],
        begun=way["begun_s"],
        first_parse=min((start for call, start, _ in calls if call == "parse"), default=0.0),
        last_answer=max((end for _, _, end in (*calls, *llm)), default=0.0),
        cut=tuple((row["first"], row["last"]) for row in stack.rows(WINDOWS, document=document)),
        idle=idle(slots, ready, [(start, end) for _, start, end in llm]),
        work=tuple(calls + llm),
        event_rows=stack.event_rows(report["run_id"]),
    )


def measured(stack: Stack, doubles: Doubles, document: Replay, name: str, slots: int) -> tuple[Course, Usage]:
    """One document by itself, with the engines set to its costs and the slots given."""
    doubles.set(document.costs(), document.behaviour(slots))
    limit(stack, ollama_max_concurrent=slots)
    watch = stack.watch(doubles.pids())
    with tempfile.TemporaryDirectory() as folder:
        found = run(stack, doubles, document.write(Path(folder) / f"{name}.pdf"), name, slots)
    return found, watch.stop()


def limit(stack: Stack, **values: int) -> None:
    """Change numbers of config/parallelization.yml as the admin does, in the running stack."""
    for name, value in values.items():
        stack.execute(
            "INSERT INTO aegis_limit (name, value, updated_at) VALUES (%(name)s, %(value)s, now())"
            " ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value",
            name=name,
            value=value,
        )
    stack.execute("NOTIFY aegis_limit")
