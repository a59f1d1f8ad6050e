"""`make observe`: Prometheus beside a mesh, from start to stop."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from devkit.layout import Layout
from devkit.observe import scrape_config
from devkit.ports import reserve_ports
from tests.house.conftest import ROOT
from tests.house.test_metrics import promtool
from tests.troubles.watching import PROMETHEUS

START_SECONDS = 20


@contextmanager
def observing(folder: Path, base: int, **changes: str) -> Iterator[subprocess.Popen[str]]:
    own = {"TUTORMESH_DATA": str(folder), "TUTORMESH_PORT_BASE": str(base), **changes}
    process = subprocess.Popen(
        [sys.executable, "-m", "devkit.observe"],
        cwd=ROOT,
        env=dict(os.environ) | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ask(base: int, what: str, inside: str) -> list[Any]:
    """A list that Prometheus answers with, once it is up and the list is not empty."""
    end, found = time.monotonic() + START_SECONDS, []
    while not found:
        assert time.monotonic() < end, f"Prometheus shows no {what}"
        with suppress(httpx.HTTPError):
            answer = httpx.get(f"http://127.0.0.1:{base + 9}/api/v1/{what}", timeout=2).raise_for_status()
            found = answer.json()["data"][inside]
        time.sleep(0.1)
    return found


@PROMETHEUS
def test_prometheus_looks_at_every_process_with_our_alerts_and_ends_with_the_command(tmp_path: Path) -> None:
    base = reserve_ports()
    with observing(tmp_path, base, PAYMENT_REPLICAS="2") as process:
        targets = ask(base, "targets", "activeTargets")
        ports = {target["scrapeUrl"] for target in targets}
        own = [20, 21, 22, 23, 24, 25, 32]  # of the edge and the services, and of the second payment_svc
        assert ports == {f"http://127.0.0.1:{base + offset}/metrics" for offset in own}
        assert {target["labels"]["job"] for target in targets} == {"tutormesh"}
        names = {target["labels"]["instance"] for target in targets}
        assert names >= {f"session:{base + 24}", f"payment:{base + 22}", f"payment:{base + 32}"}
        (group,) = ask(base, "rules", "groups")
        assert {"ProcessAway", "SagaParked"} <= {rule["name"] for rule in group["rules"]}
        (child,) = psutil.Process(process.pid).children()
        process.terminate()
        assert process.wait(START_SECONDS) == 0
        assert not child.is_running()


@PROMETHEUS
def test_promtool_finds_nothing_to_mend_in_its_configuration(tmp_path: Path) -> None:
    config = scrape_config(Layout(ROOT, {}))
    assert config["scrape_configs"][0]["job_name"] == "tutormesh"
    (tmp_path / "prometheus.yml").write_text(str(config).replace("'", '"'))
    promtool("check", "config", str(tmp_path / "prometheus.yml"))


def test_who_has_no_prometheus_is_told_what_to_install(tmp_path: Path) -> None:
    with observing(tmp_path, reserve_ports(), PATH="") as process:
        out, _ = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 1
    assert out == "prometheus is not installed: take the package prometheus of your system\n"


@pytest.mark.parametrize(("base", "ports"), [(None, (9090, 3000)), ("7000", (7009, 7010))])
def test_its_ports_are_the_usual_ones_or_those_of_the_mesh(base: str | None, ports: tuple[int, int]) -> None:
    layout = Layout(ROOT, {"TUTORMESH_PORT_BASE": base} if base else {})
    assert (layout.prometheus_port, layout.grafana_port) == ports
