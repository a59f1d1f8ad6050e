"""A real Prometheus that scrapes a mesh and evaluates deploy/alerts.yml, PACE times as fast as in production."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from devkit.layout import HOST, STORED, Layout
from devkit.ports import reserve_port
from devkit.processes.child import Child
from devkit.processes.console import Console
from tests.house.conftest import ROOT
from tests.replicas.processes import wait_until
from tests.troubles.quickened import PACE

PROMETHEUS = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not there: install Debian's package prometheus"
)
#: How often Prometheus scrapes where nobody says otherwise in production, and how far back it looks for a sample.
SCRAPE_SECONDS, LOOK_BACK_SECONDS = 15.0, 300.0
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def quicken(rules: dict[str, Any], pace: float = PACE) -> dict[str, Any]:
    """The same rules with each range and each `for:` divided. Names, metrics and thresholds stay."""
    quick = [
        {**rule, "expr": _quicken_ranges(rule["expr"], pace)}
        | ({"for": _divide(rule["for"], pace)} if "for" in rule else {})
        for rule in rules["groups"][0]["rules"]
    ]
    return {"groups": [{"name": "quickened", "rules": quick}]}


def _quicken_ranges(expression: str, pace: float) -> str:
    return re.sub(r"\[(\w+)\]", lambda match: f"[{_divide(match[1], pace)}]", expression)


def _divide(duration: str, pace: float) -> str:
    number, unit = re.fullmatch(r"(\d+)([smhd])", duration).groups()  # type: ignore[union-attr]
    return f"{round(int(number) * _UNITS[unit] * 1000 / pace)}ms"


def targets(layout: Layout) -> dict[str, int]:
    """The metrics port of each process, by its name."""
    found = {}
    for name in ("bff", *(program.name for program in STORED)):
        for number in range(1, layout.replicas(name) + 1):
            label = name if layout.replicas(name) == 1 else f"{name}.{number}"
            found[label] = layout.metrics_port(name, number)
    return {label: port for label, port in found.items() if port is not None}


@dataclass
class Alerts:
    """What a running Prometheus says."""

    url: str
    http: httpx.AsyncClient

    async def firing(self) -> set[str]:
        """The alerts that fire now."""
        alerts = (await self._get("alerts"))["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    async def fired_within(self, seconds: float) -> set[str]:
        """The alerts that have fired at any moment of the last seconds."""
        back = f"{round(seconds * 1000)}ms"
        return await self._names(f'present_over_time(ALERTS{{alertstate="firing"}}[{back}])')

    async def told(self) -> list[str]:
        """The firing and the pending alerts with their labels, for whoever reads a failure."""
        alerts = (await self._get("alerts"))["alerts"]
        return sorted(f"{alert['state']} {alert['labels']} {alert['value']}" for alert in alerts)

    async def up(self) -> set[str]:
        """The processes that answer scrapes."""
        return {each["metric"]["instance"] for each in (await self._query("up == 1"))}

    async def number(self, query: str) -> float:
        """The value of a query that has one."""
        (found,) = await self._query(query)
        return float(found["value"][1])

    async def _names(self, query: str) -> set[str]:
        return {each["metric"]["alertname"] for each in await self._query(f"count by (alertname) ({query})")}

    async def _query(self, query: str) -> list[dict[str, Any]]:
        return list((await self._get("query", query=query))["result"])

    async def _get(self, path: str, **params: str) -> dict[str, Any]:
        answer = await self.http.get(f"{self.url}/api/v1/{path}", params=params)
        return dict(answer.raise_for_status().json()["data"])


def configure(layout: Layout, folder: Path, port: int) -> list[str]:
    """Write Prometheus's files into a new folder. The command that runs it."""
    folder.mkdir()
    rules = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())
    (folder / "alerts.yml").write_text(yaml.safe_dump(quicken(rules)))
    every = f"{round(SCRAPE_SECONDS * 1000 / PACE)}ms"
    scraped = [{"targets": [f"{HOST}:{port}"], "labels": {"instance": name}} for name, port in targets(layout).items()]
    config = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": ["alerts.yml"],
        "scrape_configs": [{"job_name": "tutormesh", "static_configs": scraped}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    return [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--query.lookback-delta={round(LOOK_BACK_SECONDS * 1000 / PACE)}ms",
        f"--web.listen-address={HOST}:{port}",
        "--log.level=warn",
    ]


@contextlib.asynccontextmanager
async def watched(layout: Layout, folder: Path, console: Console) -> AsyncIterator[Alerts]:
    """Within, Prometheus watches this mesh; it has scraped every process once."""
    port = reserve_port()
    child = Child("prometheus", configure(layout, folder, port), dict(os.environ), console, folder)
    child.start()
    try:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
            alerts = Alerts(f"http://{HOST}:{port}", http)
            await wait_until(lambda: _up_or_none(alerts), lambda up: up >= targets(layout).keys())
            yield alerts
    finally:
        await child.stop(5)


async def _up_or_none(alerts: Alerts) -> set[str]:
    try:
        return await alerts.up()
    except httpx.HTTPError:  # it has not begun to serve
        return set()
