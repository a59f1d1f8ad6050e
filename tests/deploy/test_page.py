"""docs/kubernetes.md: its commands make what the overlays name, and what it says is in the manifests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.conftest import KUBECTL
from tests.deploy.rendered import Rendered
from tests.docs.pages import ROOT, blocks, read

PAGE = "docs/kubernetes.md"
#: Asks no cluster.
DRY = f'kubectl() {{ echo ---; "{KUBECTL}" "$@" --dry-run=client --output=yaml; }}\n'


def references(rendered: Rendered) -> Iterator[tuple[str, str, str]]:
    """The kind, the name and the key of everything that the pods need and the overlay does not bring."""
    made = {one["spec"]["secretName"] for one in rendered.of("Certificate").values()}
    for pod in rendered.pods.values():
        for container in pod.containers:
            for one in container.get("env", []):
                asked = one.get("valueFrom", {}).get("secretKeyRef")
                if asked and not asked.get("optional"):
                    yield "Secret", asked["name"], asked["key"]
        for volume in pod.spec.get("volumes", []):
            if "configMap" in volume and not volume["configMap"].get("optional"):
                yield "ConfigMap", volume["configMap"]["name"], ""
            assert "secret" not in volume or volume["secret"]["secretName"] in made


def test_the_commands_for_a_developers_cluster_make_all_that_its_pods_need(dev: Rendered, tmp_path: Path) -> None:
    (code,) = (block.code for block in blocks(PAGE) if "create secret" in block.code)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    script = f"set -euo pipefail\n{DRY}{code}"
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TUTORMESH_DATA": str(tmp_path / "data")}
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    made = [one for one in yaml.safe_load_all(done.stdout) if one]
    assert {one["metadata"]["namespace"] for one in made} == {"tutormesh"}
    keys = {(one["kind"], one["metadata"]["name"], key) for one in made for key in one["data"]}
    names = {(kind, name, "") for kind, name, _ in keys}
    assert set(references(dev)) <= keys | names
    assert ("ConfigMap", "public-keys", "jwks.json") in keys


def test_the_boards_and_the_alerts_get_into_a_cluster() -> None:
    (code,) = (block.code for block in blocks(PAGE) if "tutormesh-boards" in block.code)
    making = "\n".join(line for line in code.splitlines() if " create " in line)
    done = subprocess.run(
        ["bash", "-c", f"set -e\n{DRY}{making}"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    made = {one["metadata"]["name"]: one["data"].keys() for one in yaml.safe_load_all(done.stdout) if one}
    assert made == {
        "tutormesh-boards": {"business.json", "engineering.json", "sagas.json"},
        "tutormesh-alerts": {"alerts.yml"},
    }


def test_the_page_names_every_secret_of_production(production: Rendered) -> None:
    page = read(PAGE)
    for kind, name, key in references(production):
        assert kind == "Secret" and f"`{key}`" in page
        assert name.endswith("-database") or f"secret `{name}`" in page


def test_the_page_names_objects_that_are_there(production: Rendered) -> None:
    named = set(re.findall(r"\b(deployment|service|job)[/ ](\w+)", "\n".join(block.code for block in blocks(PAGE))))
    assert ("deployment", "ops") in named
    for kind, name in named:
        assert name in production.of(kind.capitalize())


@pytest.mark.parametrize("label", ["tutormesh/front", "tutormesh/monitoring", "tutormesh/internal"])
def test_the_labels_of_the_page_are_those_of_the_policies(production: Rendered, label: str) -> None:
    assert f"`{label}=true`" in read(PAGE)
    assert f"'{label}': 'true'" in str(production.of("NetworkPolicy"))


def test_the_page_has_the_requests_of_the_manifests(production: Rendered) -> None:
    rows = re.findall(r"(?m)^\| `(\w+)` \|.*\| (\w+), (\w+) \|$", read(PAGE))
    shown = {name: {"cpu": cpu, "memory": memory} for name, cpu, memory in rows}
    assert shown == {name: pod.container["resources"]["requests"] for name, pod in production.scaled.items()}
