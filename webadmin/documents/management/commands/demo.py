"""python manage.py demo: the sample document through Dagster with live progress, then what came out and where to look."""

from __future__ import annotations

import textwrap
from typing import Any
from uuid import UUID

from aegis_assets.model.document import Stage, State
from aegis_assets.model.ledger import DocumentRow
from aegis_assets.settings import ROOT, settings
from webadmin.documents import console, ingesting, platform, queries
from webadmin.documents.bars import display
from webadmin.documents.management.commands.search import show
from webadmin.documents.search import search

SAMPLE = ROOT / "samples" / "early-computers.pdf"
COLLECTION = "demo"
QUESTION = "Who built the first computer that ran a stored program?"
HITS = 3
RELATIONS = 5


class Command(console.Command):
    help = "Ingest the sample document and show what came out."
    interrupted = "Stopped watching; the run goes on."

    def act(self, **_: Any) -> bool:
        self.out(f"Ingesting {SAMPLE.name} into the collection {COLLECTION!r} through Dagster ...")
        outcome = ingesting.receive(ingesting.Source(SAMPLE, SAMPLE.name), COLLECTION)
        if outcome.document is None:
            self.say(outcome.sentence)
            return False
        last: dict[UUID, DocumentRow] = {}
        if ingesting.unchanged(outcome):
            self.out("The sample is unchanged and was ingested before: no work.")
        else:
            if notice := ingesting.launch([outcome]):
                self.say(notice)
            last = ingesting.wait([outcome.document], display(self.say))
        report = ingesting.report(outcome, COLLECTION, last)
        self._counts(report)
        if report["state"] != State.SUCCEEDED:
            for failure in report["failures"][:5]:
                self.say(f"{failure['stage']}: {failure['message']}")
            return False
        self._hits()
        self._relations(report["document"])
        self._places(outcome.document)
        return True

    def _counts(self, report: dict[str, Any]) -> None:
        counts = ", ".join(f"{report[name]} {name}" for name in ("pages", "chunks", "vectors", "entities", "relations"))
        self.out(f"\n{report['name']}: {report['state']}\n  {counts}")
        seconds = ", ".join(f"{stage.value} {report['seconds'][stage.value]:.1f}" for stage in Stage)
        work = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in report["work"].items())
        self.out(f"  seconds: {seconds}; total {report['seconds']['total']:.1f}\n  work of this run: {work}")

    def _hits(self) -> None:
        self.out(f"\nSearch: {QUESTION}")
        for number, hit in enumerate(search(QUESTION, COLLECTION, HITS).hits, 1):
            self.out(show(number, hit))

    def _relations(self, document: str) -> None:
        self.out("\nRelations, with the sentence each comes from:")
        for relation in queries.relations(document, RELATIONS):
            where = f" (page {relation.page})" if relation.page else ""
            self.out(f"  {relation.source} —{relation.type}→ {relation.target}{where}")
            self.out(textwrap.indent(textwrap.fill(f"“{relation.sentence}”", 96), "      "))

    def _places(self, document: UUID) -> None:
        chosen = settings()
        self.out(f"\nAdmin:   {chosen.admin_address}/admin/documents/document/{document}/change/")
        self.out(f"         user admin, password in {chosen.home / 'admin-password'}")
        self.out(f"Dagster: {platform.dagster().run_address(platform.ledger().document(document).run_id)}")
        self.out("Stop everything with make down.")
