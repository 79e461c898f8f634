"""python manage.py rebuild graph|vectors: a store written anew from the ledger, without engines where nothing changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal

from django.core.management.base import CommandParser

from aegis_assets.errors import AegisError, NotFound
from aegis_assets.pipeline.flow.rebuild import RebuildProgress
from webadmin.documents import console, platform
from webadmin.documents.bars import rebuild_display
from webadmin.documents.models import Collection


class Command(console.Command):
    help = (
        "Write the graph or the vectors anew from what the ledger holds: after AEGIS_NEO4J_URL or AEGIS_QDRANT_URL names another"
        " server, or a setting changed what is written. Documents may be ingested meanwhile. A rebuild that was interrupted goes on"
        " where it stopped."
    )
    interrupted = "Interrupted. The same command goes on where it stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("store", choices=["graph", "vectors"])
        parser.add_argument("--collection", metavar="NAME", help="rebuild this one; without it, all")
        parser.add_argument("--anew", action="store_true", help="begin at the start, whatever an interrupted rebuild has done")
        parser.add_argument("--json", action="store_true", help="one JSON object per collection on standard output")

    def act(self, *, store: Literal["graph", "vectors"], collection: str | None, anew: bool, json: bool, **_: Any) -> bool:
        scopes = dict(Collection.objects.order_by("name").values_list("name", "id"))
        if collection is not None and collection not in scopes:
            raise NotFound(f"There is no collection named {collection!r}.")
        if not scopes:
            self.say("There is no collection to rebuild.")
        well = True
        for name, identity in scopes.items():
            if collection in (None, name):
                report = self._rebuild(store, name, platform.rebuild(store, identity, anew))
                well = well and report["ok"]
                self.out_json(report) if json else self.out(in_words(report))
        return well

    def _rebuild(self, store: str, collection: str, steps: Iterator[RebuildProgress]) -> dict[str, Any]:
        """Return the report. One collection's failure does not keep the others from being rebuilt."""
        display, started, last, problem = rebuild_display(self.say, collection), time.monotonic(), RebuildProgress(0, 0), ""
        try:
            for last in steps:
                display.show(last)
        except AegisError as error:
            problem = error.message
        finally:
            display.close()
        if problem:
            self.say(f"{collection}: {problem}")
        seconds = round(time.monotonic() - started, 1)
        counts = {"done": last.done, "total": last.total, "seconds": seconds}
        return {"store": store, "collection": collection, "ok": not problem, "problem": problem, **counts}


def in_words(report: dict[str, Any]) -> str:
    how = "rebuilt" if report["ok"] else f"not rebuilt, {report['done']} of {report['total']} steps done"
    return f"{report['collection']}: {report['store']} {how}, {report['seconds']} s"
