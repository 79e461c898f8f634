"""python manage.py ingest PATH...: files and directories through Dagster, with live progress."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from aegis_assets.model.document import State
from aegis_assets.stores.ledger.naming import collection_name
from webadmin.documents import console, ingesting
from webadmin.documents.bars import display
from webadmin.documents.services import Outcome


class Command(console.Command):
    help = "Ingest files and directories. The exit code is 0 only if every document succeeded."
    interrupted = "Stopped watching; the runs go on. See them in the admin, or type the same command again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a directory with all that is in it")
        parser.add_argument("--collection", default="default", metavar="NAME", help="made if it is not there; default: default")
        parser.add_argument("--json", action="store_true", help="one JSON object per document on standard output")
        parser.add_argument("--no-wait", action="store_true", help="return as soon as they are launched")

    def act(self, *, paths: list[str], collection: str, json: bool, no_wait: bool, **_: Any) -> bool:
        collection_name(collection)
        outcomes = []
        for source in ingesting.sources(paths):
            outcome = ingesting.refreshed(ingesting.receive(source, collection))
            outcomes.append(outcome)
            if outcome.outcome != "new":
                self.say(f"{outcome.name}: {outcome.sentence}")
        if not outcomes:
            self.say("There is no file to ingest.")
            return False
        if notice := ingesting.launch(outcomes):
            self.say(notice)
        if no_wait:
            return all(outcome.document is not None for outcome in outcomes)
        moving = list(dict.fromkeys(found.document for found in outcomes if found.document and not ingesting.unchanged(found)))
        last = ingesting.wait(moving, display(self.say)) if moving else {}
        gone = [outcome for outcome in outcomes if outcome.document in moving and outcome.document not in last]
        for outcome in gone:
            self.say(f"{outcome.name} was removed meanwhile.")
        reports = [ingesting.report(outcome, collection, last) for outcome in outcomes if outcome not in gone]
        for outcome, report in zip((found for found in outcomes if found not in gone), reports, strict=True):
            self.out_json(report) if json else self.out(in_words(outcome, report))
        return not gone and all(report["state"] == State.SUCCEEDED for report in reports)


def in_words(outcome: Outcome, report: dict[str, Any]) -> str:
    if report["document"] is None:
        return f"{outcome.name}: not ingested."
    counts = ", ".join(f"{report[name]} {name}" for name in ("pages", "chunks", "vectors", "entities", "relations"))
    did = "no work" if not any(report["work"].values()) else f"{report['seconds']['total']:.1f} s"
    failed = f", {len(report['failures'])} failures" if report["failures"] else ""
    return f"{report['name']}: {report['state']}, {counts}{failed}, {did}"
