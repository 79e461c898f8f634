"""python manage.py reindex --collection NAME --stage extract: do anew what an earlier release, prompt or model did."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.core.management.base import CommandParser

from aegis_assets.errors import BadInput, NotFound
from aegis_assets.model.document import State
from aegis_assets.pipeline.points import batches
from webadmin.console.collections import cost, trial
from webadmin.documents import console, platform, steering
from webadmin.documents.models import Collection, Document
from webadmin.documents.signals import commanded

BATCH: Final = 500


class Command(console.Command):
    help = (
        "Do a stage of a collection's documents anew where its results are of another release, prompt, model or schema. First it"
        " says how many calls that takes. Until a chunk's new result is there, its old one stays."
    )
    interrupted = "Stopped waiting; the runs go on. The same command does the rest."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--collection", metavar="NAME", required=True)
        parser.add_argument("--stage", choices=["extract"], required=True)
        parser.add_argument("--yes", action="store_true", help="do not ask, begin")
        parser.add_argument("--no-wait", action="store_true", help="return as soon as it is asked for")

    def act(self, *, collection: str, yes: bool, no_wait: bool, **_: Any) -> bool:
        found = Collection.objects.filter(name=collection).first()
        if found is None:
            raise NotFound(f"There is no collection named {collection!r}.")
        extractor, schema = trial.extractor(), platform.ledger().collection(found.pk).schema
        fingerprint, name = extractor.fingerprint(schema), extractor.named(schema)
        price = cost.of(found.pk, fingerprint, name)
        self.out(in_words(price, name))
        if not price.chunks:
            return True
        if not (yes or self.agreed()):
            return False
        documents = cost.affected(found.pk, fingerprint)
        started = [document for batch in batches(documents, BATCH) for document in self.start(batch, fingerprint)]
        if left := price.documents - len(started):
            self.say(f"{left} documents were not begun: they are being worked on. The same command does them later.")
        if no_wait or not started:
            return not left
        return self.tell(started) and not left

    def agreed(self) -> bool:
        """Return whether the person at the terminal agrees. Raise BadInput where nobody can be asked."""
        if not sys.stdin.isatty():
            raise BadInput("Nothing was done: say --yes to begin.")
        return input("Begin? [y/N] ").strip().lower() in ("y", "yes")

    def start(self, documents: Sequence[UUID], fingerprint: str) -> list[UUID]:
        """Have the documents extracted anew, and return those that are begun."""
        platform.ledger().reopen_extractions(documents, fingerprint)
        result = steering.ingest(documents)
        commanded.send(None, action="document.ingest", targets=Document.objects.filter(pk__in=result.done))
        for refused in result.refused:
            self.say(refused.sentence)
        if result.notice:
            self.say(result.notice)
        return list(result.done)

    def tell(self, documents: Sequence[UUID]) -> bool:
        """Wait for the documents' ends and say how they ended. Return whether all succeeded."""
        ended = console.settled(documents, say=self.say)
        counts = Counter(row.state.value for row in ended.values())
        self.out(", ".join(f"{number} {state}" for state, number in sorted(counts.items())) + ".")
        return counts[State.SUCCEEDED.value] == len(documents)


def in_words(price: cost.Cost, extractor: str) -> str:
    if not price.chunks:
        return f"All {price.total} extracted chunks are of the present release, prompt and model: nothing is to be done."
    known = f", {price.known} texts of them are known already" if price.known else ""
    took = f", about {price.seconds / 60:.0f} minutes of its work" if price.seconds else ""
    return (
        f"{price.chunks} of {price.total} extracted chunks, in {price.documents} documents, are of another release, prompt, model"
        f" or schema{known}. Extracting them anew takes {price.calls} calls of {extractor}{took}."
    )
