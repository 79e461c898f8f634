"""The numbers of config/parallelization.yml: which act on running work, how soon, and where each comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from aegis_assets.settings import settings
from aegis_assets.stores.leases import CHOICE_WORDS, CHOICES, LIMITS
from webadmin.console.limits.origins import bounds, origin
from webadmin.documents.models import Limit


@dataclass(frozen=True)
class Number:
    """acts: on what a change acts, and when. resource: of the leases that keep to it, '' for none."""

    name: str
    label: Promise
    acts: Promise
    unit: str | Promise = ""
    step: int = 1
    resource: str = ""


AROUND: Final = 4  # times the present number: a slider up to the most would have all sensible numbers in its first millimetre
_RESOURCES: Final = {limit: resource for resource, limit in LIMITS.items()}
# Each of these is read while documents run: tests hold what `acts` says. The order is that of a document's way.
ACTING: Final = (
    Number(
        "parallel_documents",
        _("Documents at once"),
        _("Within two seconds: Dagster takes more runs from its queue. A lower number lets running documents end first."),
    ),
    Number(
        "parallel_chunks_per_doc",
        _("Chunks of one document in flight"),
        _("Within two seconds, in every running document. Requests that are on their way end first."),
    ),
    Number(
        "ollama_max_concurrent",
        _("Requests to the language model"),
        _("At once, over all documents and machines. Requests that are on their way end first."),
        resource=_RESOURCES["ollama_max_concurrent"],
    ),
    Number(
        "vram_budget_mb",
        _("GPU memory of all engines"),
        _("At once, over all documents and machines. Calls that are on their way end first."),
        unit="MB",
        step=100,
        resource=_RESOURCES["vram_budget_mb"],
    ),
    Number(
        "embedding_batch_size",
        _("Texts per forward pass of the embedder"),
        _("With the next call to the embedder, which takes eight such batches: within seconds on a GPU."),
    ),
)
# How many requests to the language model there are: as settings and aegis_limit have the words (stores.leases.CHOICE_WORDS).
CHOICE: Final = CHOICES["ollama"]
CHOICE_LABELS: Final = {
    "auto": _("Found out: as many as the server works on at once, up to this number"),
    "fixed": _("Fixed: always this number"),
}
# What decides how a document is cut: changed under a running document, its windows would be no windows of one plan.
AT_START: Final = (
    Number("window_pages", _("Pages of a PDF per window"), _("A document's next run cuts and parses it anew.")),
    Number("window_chunks", _("Chunks per window of a format without pages"), _("A document's next run cuts and parses it anew.")),
)


@dataclass(frozen=True)
class Shown:
    """configured: without the console's change. changed: whether there is one. source: kind and name of where `configured` is from.
    top: where the slider ends; the field beside it takes numbers up to `most`."""

    number: Number
    value: int
    configured: int
    changed: bool
    source: tuple[str, str]
    least: int
    most: int
    top: int


def shown(number: Number, changes: Mapping[str, int]) -> Shown:
    least, most = bounds(number.name)
    configured = int(getattr(settings(), number.name))
    value = changes.get(number.name, configured)
    return Shown(
        number=number,
        value=value,
        configured=configured,
        changed=number.name in changes,
        source=origin(number.name),
        least=least,
        most=most,
        top=min(most, -(-AROUND * max(value, configured) // number.step) * number.step),
    )


@dataclass(frozen=True)
class ShownChoice:
    """A word among CHOICE_WORDS, with the same members as `Shown`."""

    value: str
    configured: str
    changed: bool
    source: tuple[str, str]

    @property
    def configured_label(self) -> Promise:
        return CHOICE_LABELS[self.configured]


def shown_choice(changes: Mapping[str, int]) -> ShownChoice:
    configured, number = settings().ollama_limit, changes.get(CHOICE)
    known = number is not None and 0 <= number < len(CHOICE_WORDS)
    return ShownChoice(
        value=CHOICE_WORDS[number] if known and number is not None else configured,
        configured=configured,
        changed=known,
        source=origin(CHOICE),
    )


def changes() -> dict[str, int]:
    return dict(Limit.objects.values_list("name", "value"))
