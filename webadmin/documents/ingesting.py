"""Files and directories on this machine -> documents, and what became of them, as the commands `ingest` and `demo` need it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from aegis_assets.errors import EngineFailed, EngineUnavailable
from aegis_assets.model.document import AT_REST, Stage, State
from aegis_assets.model.ledger import DocumentRow
from aegis_assets.stores.ledger.naming import document_name, upload_key
from webadmin.documents import console, platform, services, steering
from webadmin.documents.bars import Display
from webadmin.documents.models import Collection, Document
from webadmin.documents.signals import commanded


@dataclass(frozen=True)
class Source:
    """key: the file's name, or its path relative to the directory that was named. problem: why it cannot be read."""

    path: Path
    key: str
    problem: str = ""


def sources(paths: Sequence[str]) -> Iterator[Source]:
    """Each file once. Directories recursively, in order of names; hidden files, and links that a directory holds, are left out:
    they may lead anywhere.

    A second file under a key is a problem and not a revision of the first: the two lie beside each other.
    """
    seen: dict[str, Path] = {}
    for source in _named(paths):
        if source.problem:
            yield source
            continue
        other = seen.setdefault(upload_key(source.key), source.path)
        if other is source.path:
            yield source
        elif not other.samefile(source.path):
            yield replace(
                source, problem=f"{other} has the same name here. Name the directory above both, or ingest this one alone."
            )


def _named(paths: Sequence[str]) -> Iterator[Source]:
    for text in paths:
        path = Path(text)
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield Source(path, path.name)
        else:
            yield Source(path, path.name or text, "There is no such file or directory.")


def _files(folder: Path) -> Iterator[Source]:
    closed: list[OSError] = []
    for here, folders, names in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(here, name)
            if not name.startswith(".") and file.is_file() and not file.is_symlink():
                yield Source(file, file.relative_to(folder).as_posix())
    for error in closed:
        yield Source(Path(str(error.filename)), str(error.filename), _unreadable(error))


def _unreadable(error: OSError) -> str:
    return f"It cannot be read ({error.strerror or type(error).__name__})."


def receive(source: Source, collection: str) -> services.Outcome:
    name = document_name(source.path.name)
    problem = source.problem
    if not problem:
        try:
            with source.path.open("rb") as stream:
                outcome = services.receive(stream, name, source.key, collection)
        except OSError as error:
            problem = _unreadable(error)
        else:
            if outcome.made_collection:
                commanded.send(None, action="collection.add", targets=Collection.objects.filter(documents=outcome.document))
            if outcome.outcome in ("new", "revised"):
                commanded.send(None, action="document.upload", targets=Document.objects.filter(pk=outcome.document))
            return outcome
    return services.Outcome(name=name, document=None, outcome="refused", sentence=f"Refused: {problem}")


def launch(outcomes: Sequence[services.Outcome]) -> str:
    """Runs for all that wait for one. Returns why they may start a little later, '' normally."""
    waiting = [outcome.document for outcome in outcomes if outcome.document and outcome.pending]
    if not waiting:
        return ""
    result = steering.ingest(waiting)
    commanded.send(None, action="document.ingest", targets=Document.objects.filter(pk__in=result.done))
    return result.notice


def refreshed(outcome: services.Outcome) -> services.Outcome:
    """The same bytes are work again once a model, a prompt or a setting is another. Engines that do not answer change nothing."""
    if outcome.document is None or not unchanged(outcome):
        return outcome
    try:
        prints = platform.fingerprints(platform.ledger().document(outcome.document).collection)
    except (EngineUnavailable, EngineFailed):
        return outcome
    stages = (prints.plan, prints.parse, prints.embed, prints.extract, prints.earlier)
    if platform.ledger().up_to_date(outcome.document, *stages):
        return outcome
    state = platform.ledger().request_retry(outcome.document)
    return outcome.model_copy(update={"state": state, "pending": True, "sentence": "Unchanged, but made with other settings."})


def wait(documents: Sequence[UUID], shown: Display) -> dict[UUID, DocumentRow]:
    """Wait for the documents' ends, through outages; return those that are still there."""
    try:
        return console.settled(documents, shown.show, shown.say)
    finally:
        shown.close()


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
