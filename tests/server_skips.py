"""Tests of a real server that cannot be had are skipped, and the closing line says so; --require-servers makes it a failure.

conftest.py imports the hooks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.download_cache import ServerUnavailable

PREFIX = "Skipped: no real "  # "Skipped: " is pytest's


@contextmanager
def skipped_if_unavailable(server: str, config: pytest.Config) -> Iterator[None]:
    try:
        yield
    except ServerUnavailable as error:
        if is_required(server, config):
            pytest.fail(f"no real {server}: {error}", pytrace=False)
        pytest.skip(f"no real {server}: {error}")


def is_required(server: str, config: pytest.Config) -> bool:
    """Return whether --require-servers names it. A Qdrant server can only be named by whoever has one, so CI requires none."""
    names = str(config.getoption("require_servers")).split(",")
    return server in names or "all" in names


def missing_server(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str] | None:
    """Return the server that a test was skipped for, and why; None for any other outcome."""
    if not report.skipped or not isinstance(report.longrepr, tuple) or not report.longrepr[2].startswith(PREFIX):
        return None
    server, _, reason = report.longrepr[2].removeprefix(PREFIX).partition(": ")
    return server, reason


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
    """Count them by themselves, so that pytest's closing line reads "1200 passed, 12 skipped without Neo4j"."""
    missing = missing_server(report)
    return (f"skipped without {missing[0]}", "s", f"SKIPPED (no {missing[0]})") if missing else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons: dict[str, str] = {}
    for category, reports in terminalreporter.stats.items():
        if category.startswith("skipped without "):
            reasons |= dict(missing for report in reports if (missing := missing_server(report)))
    for server, reason in sorted(reasons.items()):
        terminalreporter.write_line(f"Nothing was tested on a real {server}: {reason}", yellow=True)
