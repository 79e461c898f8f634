"""Words that the ledger keeps in English -> what a person reads. What is not here is shown as it is kept."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from aegis_assets.model.document import Mark, Stage, State

STATES: Final[dict[str, Promise]] = {
    State.PENDING: _("pending"),
    State.QUEUED: _("queued"),
    State.RUNNING: _("running"),
    State.SUCCEEDED: _("succeeded"),
    State.PARTIAL: _("partial"),
    State.FAILED: _("failed"),
    State.CANCELLED: _("cancelled"),
    State.REMOVING: _("removing"),
}
MARKS: Final[dict[str, Promise]] = {
    Mark.PENDING: _("pending"),
    Mark.RUNNING: _("running"),
    Mark.DONE: _("done"),
    Mark.SKIPPED: _("skipped"),
    Mark.FAILED: _("failed"),
}
STAGES: Final[dict[str, Promise]] = {
    Stage.PARSE: _("parse"),
    Stage.ENRICH: _("enrich"),
    Stage.EMBED: _("embed"),
    Stage.EXTRACT: _("extract"),
    Stage.RESOLVE: _("resolve"),
    Stage.PUBLISH: _("publish"),
}
# Parts of the platform, as the doctor names them.
PARTS: Final[dict[str, Promise]] = {
    "ledger": _("ledger"),
    "bucket": _("bucket"),
    "vectors": _("vectors"),
    "graph": _("graph"),
    "engine server": _("engine server"),
    "parser": _("parser"),
    "embedder": _("embedder"),
    "reranker": _("reranker"),
    "extractor": _("extractor"),
    "vision": _("vision"),
    "dagster": _("Dagster"),
    "dagster daemon": _("Dagster's daemon"),
    "disk": _("disk"),
    "workers": _("workers"),
}
# Of failures: AegisError.kind, and what its raisers say instead.
KINDS: Final[dict[str, Promise]] = {
    "internal": _("unexpected"),
    "bad_input": _("unusable input"),
    "too_large": _("too large"),
    "empty": _("empty"),
    "limit": _("limit passed"),
    "engine_unavailable": _("engine away"),
    "engine_failed": _("engine failed"),
    "store_unavailable": _("store away"),
    "misconfigured": _("wrong setting"),
    "not_found": _("not found"),
    "not_allowed": _("not allowed"),
    "superseded": _("superseded by another run"),
}
# Why two names are one entity.
REASONS: Final[dict[str, Promise]] = {
    "exact": _("same spelling"),
    "fuzzy": _("similar spelling"),
    "embedding": _("similar meaning"),
    "person": _("by hand"),
}
# What the audit trail calls the actions of people. Another one is shown by its own name.
ACTS: Final[dict[str, Promise]] = {
    "document.upload": _("Document uploaded"),
    "document.ingest": _("Ingestion started"),
    "document.retry": _("Retried"),
    "document.cancel": _("Cancelled"),
    "document.remove": _("Removed"),
    "collection.add": _("Collection made"),
    "collection.change": _("Collection changed"),
    "collection.delete": _("Collection deleted"),
    "collection.ingest": _("Collection ingested anew"),
    "limit.add": _("Limit set"),
    "limit.change": _("Limit changed"),
    "limit.delete": _("Limit put back"),
    "entity.merge": _("Entities merged"),
    "entity.split": _("Names taken out of an entity"),
    "entity.undo merge": _("Merge undone"),
    "entity.undo split": _("Split undone"),
    "user.add": _("Person added"),
    "user.change": _("Person changed"),
    "user.delete": _("Person deleted"),
    "user.password": _("Own password changed"),
    "apitoken.add": _("API token made"),
    "apitoken.revoke": _("API token revoked"),
    "session.log in": _("Logged in"),
    "session.log out": _("Logged out"),
    "session.log in failed": _("Log-in failed"),
}
# To what they were done.
TARGETS: Final[dict[str, Promise]] = {
    "document": _("document"),
    "collection": _("collection"),
    "limit": _("limit"),
    "entity": _("entity"),
    "user": _("user"),
    "apitoken": _("API token"),
}
# What the trail keeps beside an action, for a reader; ids that are kept too are for machines.
DETAILS: Final[dict[str, Promise]] = {
    "before": _("before: {}"),
    "after": _("after: {}"),
    "fields": _("fields: {}"),
    "other_name": _("with {}"),
    "taken": _("names: {}"),
    "documents": _("documents: {}"),
}
# How scripts say a time, as the filter `duration` does.
TIMES: Final[dict[str, Promise]] = {
    "{} s": _("{} s"),
    "{} min {} s": _("{} min {} s"),
    "{} h {} min": _("{} h {} min"),
    "{} to go": _("{} to go"),
}


def act(action: str) -> str:
    return str(ACTS.get(action, action))


def word(kept: str) -> str:
    return next((str(table[kept]) for table in (STATES, MARKS, STAGES, PARTS) if kept in table), kept)


def kind(kept: str) -> str:
    return str(KINDS.get(kept, kept))


def reason(kept: str) -> str:
    return str(REASONS.get(kept, kept))


def is_word(kept: str) -> bool:
    return any(kept in table for table in (STATES, MARKS, STAGES, PARTS))


def words() -> dict[str, str]:
    """All of them in the reader's language, for scripts."""
    return {str(kept): str(said) for table in (MARKS, STATES, STAGES, TIMES) for kept, said in table.items()}
