"""The Grafana dashboard and the Prometheus rules: promtool's own checks, and that every metric they ask for exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from aegis_assets.model.document import State
from aegis_assets.settings import ROOT

RULES = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboard.json"
PROMTOOL = shutil.which("promtool")
METRIC = re.compile(r"\baegis_(?:pipeline|ollama)_\w+")
promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool comes with Debian's package prometheus")


def panels() -> list[dict[str, Any]]:
    return list(json.loads(DASHBOARD.read_text())["panels"])


def expressions() -> Iterator[str]:
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    for group in yaml.safe_load((RULES / "rules.yml").read_text())["groups"]:
        yield from (f"{rule['expr']} {rule['annotations']}" for rule in group["rules"])


def known() -> set[str]:
    """Read as text: a test of deployment needs no Django."""
    return set(METRIC.findall((ROOT / "webadmin" / "monitoring" / "metrics.py").read_text()))


def test_every_metric_that_is_asked_for_exists_and_none_is_forgotten() -> None:
    asked = {name for expression in expressions() for name in METRIC.findall(expression)}
    assert asked == known()


def test_the_states_that_are_asked_for_are_the_model_s() -> None:
    asked = {
        state
        for expression in expressions()
        for found in re.findall(r'state=~?"([\w|]+)"', expression)
        for state in found.split("|")
    }
    assert asked
    assert asked <= {state.value for state in State}


def test_panels_fill_the_dashboard_without_lying_on_each_other() -> None:
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels()
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in panels()}) == len(panels())


@promtool
@pytest.mark.parametrize(
    "words",
    [("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml"), ("check", "config", "--syntax-only", "prometheus.yml")],
)
def test_promtool_finds_the_files_right(words: tuple[str, ...]) -> None:
    done = subprocess.run([PROMTOOL or "", *words], cwd=RULES, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@promtool
def test_promtool_can_read_every_expression_of_the_dashboard(tmp_path: Any) -> None:
    rules = [{"record": f"panel_{n}", "expr": target["expr"]} for n, panel in enumerate(panels()) for target in panel["targets"]]
    named = [{**rule, "record": f"{rule['record']}_{n}"} for n, rule in enumerate(rules)]
    (tmp_path / "dashboard.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": named}]}))
    done = subprocess.run(
        [PROMTOOL or "", "check", "rules", "dashboard.yml"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested() -> None:
    alerts = {rule["alert"] for group in yaml.safe_load((RULES / "rules.yml").read_text())["groups"] for rule in group["rules"]}
    tested = {
        case["alertname"]
        for test in yaml.safe_load((RULES / "rules_test.yml").read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert tested == alerts
