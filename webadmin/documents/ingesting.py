"""Files and directories on this machine -> documents, and what became of them, as the commands `ingest` and `demo` need it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from aegis_assets.errors import EngineFailed, EngineUnavailable
from aegis_assets.model.document import AT_REST, Stage, State
from aegis_assets.model.ledger import DocumentRow
from aegis_assets.stores.ledger.naming import document_name
from webadmin.documents import console, platform, services, steering
from webadmin.documents.bars import Display


@dataclass(frozen=True)
class Source:
    """key: the file's name, or its path relative to the directory that was named. problem: why it cannot be read."""

    path: Path
    key: str
    problem: str = ""


def sources(paths: Sequence[str]) -> Iterator[Source]:
    """Directories recursively, in order of names. Hidden files, and links that a directory holds, are left out: they may lead
    anywhere."""
    for text in paths:
        path = Path(text)
        if path.is_dir():
            yield from (Source(file, file.relative_to(path).as_posix()) for file in _files(path))
        elif path.is_file():
            yield Source(path, path.name)
        else:
            yield Source(path, path.name or text, "There is no such file or directory.")


def _files(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(here, name)
            if not name.startswith(".") and file.is_file() and not file.is_symlink():
                yield file


def receive(source: Source, collection: str) -> services.Outcome:
    name = document_name(source.path.name)
    problem = source.problem
    if not problem:
        try:
            with source.path.open("rb") as stream:
                return services.receive(stream, name, source.key, collection)
        except OSError as error:
            problem = f"It cannot be read ({error.strerror or type(error).__name__})."
    return services.Outcome(name=name, document=None, outcome="refused", sentence=f"Refused: {problem}")


def launch(outcomes: Sequence[services.Outcome]) -> str:
    """Runs for all that wait for one. Returns why they may start a little later, '' normally."""
    waiting = [outcome.document for outcome in outcomes if outcome.document and outcome.pending]
    return steering.ingest(waiting).notice if waiting else ""


def refreshed(outcome: services.Outcome) -> services.Outcome:
    """The same bytes are work again once a model, a prompt or a setting is another. Engines that do not answer change nothing."""
    if outcome.document is None or not unchanged(outcome):
        return outcome
    try:
        prints = platform.fingerprints(platform.ledger().document(outcome.document).collection)
    except (EngineUnavailable, EngineFailed):
        return outcome
    if platform.ledger().up_to_date(outcome.document, prints.plan, prints.parse, prints.embed, prints.extract):
        return outcome
    state = platform.ledger().request_retry(outcome.document)
    return outcome.model_copy(update={"state": state, "pending": True, "sentence": "Unchanged, but made with other settings."})


def wait(documents: Sequence[UUID], shown: Display) -> dict[UUID, DocumentRow]:
    """Until all are at rest or gone."""
    last: dict[UUID, DocumentRow] = {}
    try:
        for rows in console.watch(documents):
            last = {row.id: row for row in rows}
            shown.show(rows)
    finally:
        shown.close()
    return last


def unchanged(outcome: services.Outcome) -> bool:
    """At rest before we began: no run was needed."""
    return outcome.state in AT_REST and not outcome.pending


def report(outcome: services.Outcome, collection: str, last: Mapping[UUID, DocumentRow]) -> dict[str, Any]:
    """The object of `--json`. `work` and `seconds` are of the run that was waited for: zeros when none was needed."""
    if outcome.document is None:
        return refused(outcome, collection)
    row = last.get(outcome.document)
    return dict(platform.ledger().result(outcome.document, run_id=row.run_id if row else ""))


def refused(outcome: services.Outcome, collection: str) -> dict[str, Any]:
    """The same shape for a file that never became a document."""
    failure = {"stage": "", "kind": "bad_input", "retryable": False, "message": outcome.sentence, "attempt": 1}
    counts = dict.fromkeys(("pages", "windows", "chunks", "vectors", "entities", "relations"), 0)
    return {
        "document": None,
        "name": outcome.name,
        "collection": collection,
        "state": State.FAILED.value,
        "generation": 0,
        **counts,
        "failures": [{**failure, "window": None, "chunk": None}],
        "seconds": dict.fromkeys(("total", *(stage.value for stage in Stage)), 0.0),
        "work": dict.fromkeys(("parsed_windows", "embedded_chunks", "extracted_chunks", "llm_calls"), 0),
        "engines": dict.fromkeys(("parser", "embedder", "extractor"), ""),
        "run_id": "",
    }
