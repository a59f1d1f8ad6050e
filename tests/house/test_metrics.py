"""Metrics: named by Prometheus's conventions, described in docs/operations.md, and the alerts use those that there are."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

import bff.graphql.metrics
import bff.http.metrics
import mesh.metrics.database
import mesh.metrics.process
import mesh.metrics.rpc
import payment_svc.metrics
from mesh.metrics.registry import DEFINED, REGISTRY
from ops.audit.metrics import format_metrics
from ops.audit.verdict import Verdict
from tests.house.conftest import ROOT

assert bff and mesh and payment_svc  # their metrics are defined
PAGE = (ROOT / "docs" / "operations.md").read_text()
RULES: list[dict[str, Any]] = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"][0]["rules"]
#: Metrics that the alerts use and that are not ours: Prometheus's own, the client's, and those of `audit --metrics`.
OTHERS = {
    "up": {"job", "instance"},
    "process_start_time_seconds": {"instance"},
    "process_cpu_seconds_total": {"instance"},
    "process_resident_memory_bytes": {"instance"},
    "ALERTS": {"alertname", "alertstate"},
    "tutormesh_audit_breaches": {"invariant"},
    "tutormesh_audit_timestamp_seconds": set(),
}
PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not there: install Debian's package prometheus"
)


def promtool(*words: str, given: str = "") -> None:
    done = subprocess.run(("promtool", *words), input=given, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def test_the_page_for_operators_has_each_metric_as_it_is() -> None:
    wanted = [
        f"| `{one.name}` | {one.sort} | {', '.join(f'`{label}`' for label in one.labels)} | {one.text} |"
        for one in sorted(DEFINED, key=lambda one: one.name)
    ]
    assert re.findall(r"(?m)^\| `tutormesh_\w+` \| (?:counter|gauge|histogram) \|.*$", PAGE) == wanted


@pytest.mark.parametrize("one", DEFINED, ids=lambda one: one.name)
def test_a_metric_is_named_by_convention_and_no_label_is_an_id(one: Any) -> None:
    assert one.name.endswith("_total") == (one.sort == "counter")
    assert one.sort != "histogram" or one.name.endswith("_seconds")
    assert one.text.endswith(".") and not any(label == "id" or label.endswith("_id") for label in one.labels)


@PROMTOOL
def test_promtool_finds_nothing_to_mend_in_the_metrics_and_in_those_of_the_audit() -> None:
    promtool("check", "metrics", given=generate_latest(REGISTRY).decode())
    audited = Verdict(breaches=(), open_matters=(), counted={"sagas": 1}, looked_at=datetime.now(UTC))
    promtool("check", "metrics", given=format_metrics(audited, audited.looked_at) + "\n")


@PROMTOOL
def test_promtool_reads_every_alert() -> None:
    promtool("check", "rules", str(ROOT / "deploy" / "alerts.yml"))


def families() -> dict[str, set[str]]:
    """The labels of each name that a query may use."""
    found = dict(OTHERS)
    for one in DEFINED:
        names = [one.name] if one.sort != "histogram" else [f"{one.name}_{end}" for end in ("bucket", "count", "sum")]
        found |= {name: {*one.labels, "instance", *(("le",) if "bucket" in name else ())} for name in names}
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_uses_metrics_and_labels_that_there_are(rule: dict[str, Any]) -> None:
    check_query(rule["expr"])


def check_query(expression: str) -> None:
    """Fail unless a query of PromQL uses metrics and labels that there are."""
    known = families()
    used = set(re.findall(r"\b(?:tutormesh|process)_\w+|\bup\b|\bALERTS\b", expression))
    assert used and used <= known.keys(), used - known.keys()
    for name, selectors in re.findall(r"(\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)\s*=~?", selectors)) <= known[name], name
    grouped = {
        label.strip()
        for group in re.findall(r"\b(?:by|on|group_left) \(([^)]*)\)", expression)
        for label in group.split(",")
    }
    assert grouped <= set().union(*(known[name] for name in used))


def test_each_alert_has_its_line_in_the_runbook() -> None:
    told = re.findall(
        r"(?m)^\| `([A-Z]\w+)` \|", PAGE.partition("\n## Alerts of Prometheus\n")[2].partition("\n## ")[0]
    )
    assert told == [rule["alert"] for rule in RULES]
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}
