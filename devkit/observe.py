"""`make observe`: Prometheus, and Grafana where it is installed, beside `make up`. Ctrl-C ends both.

Neither is a part of the project. Prometheus comes from the package `prometheus` of Debian and others.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from devkit.environment import programs
from devkit.install import ROOT
from devkit.launcher import watch_signals
from devkit.layout import HOST, Layout, Misconfigured, load
from devkit.processes.child import Child
from devkit.processes.console import Console

SCRAPE_SECONDS = 5
#: What is kept in the data folder at most.
KEPT_TIME, KEPT_SIZE = "3d", "512MB"
_STOP_SECONDS = 10
_BOARDS, _ALERTS = ROOT / "deploy" / "grafana", ROOT / "deploy" / "alerts.yml"
#: Where packages of Grafana put its pages.
_GRAFANA_HOME = Path("/usr/share/grafana")


def scrape_config(layout: Layout) -> dict[str, Any]:
    """Prometheus's configuration for a mesh: every process that has metrics, under the job that the alerts name.

    An instance is called `session:8104`: a process that is away cannot say itself which service it is.
    """
    targets = [
        {"targets": [f"{HOST}:{port}"], "labels": {"instance": f"{name}:{port}"}}
        for name in programs(layout.settings)
        for replica in range(1, layout.replicas(name) + 1)
        if (port := layout.metrics_port(name, replica)) is not None
    ]
    return {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": f"{SCRAPE_SECONDS}s"},
        "rule_files": [str(_ALERTS)],
        "scrape_configs": [{"job_name": "tutormesh", "static_configs": targets}],
    }


def prometheus_child(layout: Layout, console: Console) -> Child:
    """Prometheus as a child process. Raises Misconfigured when it is not installed."""
    program = shutil.which("prometheus")
    if program is None:
        raise Misconfigured("prometheus is not installed: take the package prometheus of your system")
    folder = layout.data / "observe"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "prometheus.yml"
    config.write_text(json.dumps(scrape_config(layout), indent=1))  # JSON is YAML too
    argv = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--storage.tsdb.retention.time={KEPT_TIME}",
        f"--storage.tsdb.retention.size={KEPT_SIZE}",
        "--enable-feature=exemplar-storage",
        f"--web.listen-address={HOST}:{layout.prometheus_port}",
        "--log.level=warn",
    ]
    return Child("prometheus", argv, {}, console, folder)


def grafana_child(layout: Layout, console: Console) -> Child | None:
    """Grafana as a child process, with our boards, for whoever reaches loopback; None when it is not installed."""
    program = shutil.which("grafana")
    if program is None:
        return None
    folder = layout.data / "observe" / "grafana"
    folder.mkdir(parents=True, exist_ok=True)
    own = {
        "GF_SERVER_HTTP_ADDR": HOST,
        "GF_SERVER_HTTP_PORT": str(layout.grafana_port),
        "GF_PATHS_DATA": str(folder),
        "GF_PATHS_LOGS": str(folder),
        "GF_PATHS_PROVISIONING": str(_BOARDS / "provisioning"),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",  # its password is known to everybody
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_LOG_LEVEL": "warn",
        "PROMETHEUS_URL": f"http://{HOST}:{layout.prometheus_port}",
        "BOARDS_FOLDER": str(_BOARDS),
    }
    return Child("grafana", [program, "server", "--homepath", str(_GRAFANA_HOME)], own, console, folder)


async def observe(layout: Layout) -> None:
    """Run both until SIGINT, SIGTERM or SIGHUP. Raises Misconfigured."""
    console, stopping = Console(), watch_signals()
    prometheus, grafana = prometheus_child(layout, console), grafana_child(layout, console)
    console.table(_summary(layout, has_grafana=grafana is not None))
    children = [child for child in (prometheus, grafana) if child is not None]
    try:
        for child in children:
            child.start()
        await stopping.wait()
    finally:
        await asyncio.gather(*(child.stop(_STOP_SECONDS) for child in children))


def _summary(layout: Layout, *, has_grafana: bool) -> dict[str, str]:
    prometheus = f"http://{HOST}:{layout.prometheus_port}"
    boards = f"http://{HOST}:{layout.grafana_port}/dashboards"
    return {
        "Prometheus": f"{prometheus}/graph",
        "alerts": f"{prometheus}/alerts",
        "boards": boards if has_grafana else "Grafana is not installed here; import deploy/grafana/*.json into yours",
    }


def main() -> None:
    try:
        asyncio.run(observe(load()))
    except Misconfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
