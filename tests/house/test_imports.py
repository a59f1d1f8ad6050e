"""Who may import whom: the contracts of pyproject.toml, kept, and kept for every package there is."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name for path in ROOT.glob("*_svc/__init__.py"))


@pytest.fixture(scope="module")
def rules() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def test_every_contract_is_kept():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_every_package_of_ours_is_looked_at(rules):
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "bench"}
    assert set(rules["root_packages"]) == packages


def test_every_service_is_independent_and_has_layers(rules):
    (independent,) = [contract for contract in rules["contracts"] if contract["type"] == "independence"]
    assert set(SERVICES) | {"bff"} == set(independent["modules"])
    layered = [contract for contract in rules["contracts"] if contract["type"] == "layers"]
    containers = [name for contract in layered for name in contract["containers"]]
    assert sorted(name for name in containers if "." not in name) == sorted([*SERVICES, "bff", "devkit", "ops"])


@pytest.mark.parametrize("service", SERVICES)
def test_every_module_of_a_service_has_its_layer(rules, service):
    (contract,) = [each for each in rules["contracts"] if each.get("containers") == [service]]
    placed = set(re.findall(r"\w+", " ".join(contract["layers"])))
    files = {path.stem for path in (ROOT / service).glob("*.py")} - {"__init__", "settings"}
    folders = {path.parent.name for path in (ROOT / service).glob("*/__init__.py")}
    assert files | folders <= placed  # a layer without its module is the contract's own complaint
