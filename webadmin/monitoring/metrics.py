"""The ledger and the leases -> Prometheus' text format, at the moment of the scrape.

No client library: its counters live in a process, and these live in PostgreSQL, for all processes and through restarts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aegis_assets.model.document import Stage
from aegis_assets.model.metrics import Counter, Measures
from aegis_assets.stores.leases import LIMITS
from webadmin.documents import platform
from webadmin.shared_reading import shared_readings

KEPT_SECONDS: Final = 2.0  # several scrapers, or a reader of the page who is in a hurry, cost what one does
Labels = tuple[tuple[str, str], ...]
Sample = tuple[Labels, float]


@dataclass(frozen=True)
class Metric:
    name: str
    kind: str
    help: str


GAUGES: Final[Mapping[str, Metric]] = {
    key: Metric(name, "gauge", help)
    for key, name, help in (
        ("active", "aegis_pipeline_parallel_workers_active", "Windows or chunks that a stage is at work on."),
        ("rate", "aegis_pipeline_chunk_processing_rate", "Chunks per second through a stage over the last minute."),
        ("documents", "aegis_pipeline_documents", "Documents by state."),
        ("oldest", "aegis_pipeline_oldest_pending_seconds", "How long the oldest document that waits has waited."),
        ("vram", "aegis_pipeline_vram_utilization_percent", "GPU memory that is leased, of what there is to lease."),
        ("ollama", "aegis_ollama_concurrent_requests", "Requests to the language model in flight."),
        ("ollama_waiting", "aegis_ollama_waiting_requests", "Requests that wait for a slot of Ollama."),
        (
            "ollama_limit",
            "aegis_ollama_concurrent_requests_limit",
            "Requests to the language model that may be in flight now.",
        ),
        (
            "ollama_answered",
            "aegis_ollama_answered_requests_per_minute",
            "Requests to the language model answered in the last minute.",
        ),
        ("ollama_most", "aegis_ollama_max_concurrent_requests", "Requests to the language model at most (ollama_max_concurrent)."),
    )
}
# By the name in the ledger's totals: the metric, and the labels that its words are.
COUNTERS: Final[Mapping[str, tuple[Metric, tuple[str, ...]]]] = {
    key: (Metric(name, "counter", help), labels)
    for key, name, labels, help in (
        ("parsed_windows", "aegis_pipeline_windows_total", (), "Windows parsed."),
        ("chunks", "aegis_pipeline_chunks_total", ("stage",), "Chunks that a stage has done, by work and not from a cache."),
        ("failures", "aegis_pipeline_failures_total", ("stage", "kind"), "Failures, retried or not."),
        ("retries", "aegis_pipeline_retries_total", (), "Chunks done at a further attempt."),
        ("tokens", "aegis_pipeline_tokens_total", ("kind",), "Tokens of a language model, read and written."),
        ("llm_calls", "aegis_pipeline_llm_calls_total", (), "Requests that a language model answered."),
        ("stage_seconds", "aegis_pipeline_stage_seconds_total", ("stage",), "Seconds of work, over all windows of a stage."),
    )
}
# A counter that appears with its first count hides that count from `increase`. What failures there will be is not known.
FROM_THE_BEGINNING: Final[Mapping[str, Sequence[Labels]]] = {
    "parsed_windows": [()],
    "chunks": [(("stage", stage.value),) for stage in (Stage.EMBED, Stage.EXTRACT)],
    "retries": [()],
    "tokens": [(("kind", kind),) for kind in ("prompt", "completion")],
    "llm_calls": [()],
    "stage_seconds": [(("stage", stage.value),) for stage in Stage],
}


def scrape() -> str:
    """Raises StoreUnavailable."""
    return shared_readings.get("monitoring.metrics", _read, KEPT_SECONDS)


def _read() -> str:
    now = platform.ledger().measures()
    return "".join((*_gauges(now), *_counters(now.counters)))


def _gauges(now: Measures) -> Iterable[str]:
    leases = platform.leases()
    capacities, rows, found = leases.capacities(), leases.holders(), leases.found_limit("ollama")
    held = {resource: sum(row.weight for row in rows if row.resource == resource and row.held) for resource in LIMITS}
    waiting = sum(1 for row in rows if row.resource == "ollama" and not row.held)
    samples: dict[str, list[Sample]] = {
        "active": [((("stage", stage.value),), number) for stage, number in now.active.items()],
        "rate": [((("stage", stage.value),), rate) for stage, rate in now.rates.items()],
        "documents": [((("state", state.value),), number) for state, number in now.documents.items()],
        "oldest": [((), now.oldest_pending)],
        "vram": [((), 100 * held["vram"] / max(1, capacities["vram"]))],
        "ollama": [((), held["ollama"])],
        "ollama_waiting": [((), waiting)],
        "ollama_limit": [((), found.limit)],
        "ollama_answered": [((), found.answered)],
        "ollama_most": [((), capacities["ollama"])],
    }
    return (_written(GAUGES[key], samples[key]) for key in GAUGES)


def _counters(counters: Iterable[Counter]) -> Iterable[str]:
    found: dict[str, list[Sample]] = {name: [] for name in COUNTERS}
    for counter in counters:
        if counter.name in COUNTERS:
            labels = COUNTERS[counter.name][1]
            words = tuple(zip(labels, counter.labels.split(" "), strict=False))
            found[counter.name].append((words, max(0.0, counter.value)))
    for name, known in FROM_THE_BEGINNING.items():
        met = {labels for labels, _ in found[name]}
        found[name] += [(labels, 0.0) for labels in known if labels not in met]
    return (_written(COUNTERS[name][0], samples) for name, samples in found.items())


def _written(metric: Metric, samples: Iterable[Sample]) -> str:
    head = f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"
    return head + "".join(f"{metric.name}{_labels(labels)} {_number(value)}\n" for labels, value in samples)


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.6f}"
