"""What is locked is locked by hash, wherever it is fetched from: no lock file names a registry or a machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.conftest import ROOT

REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
TOOLS = sorted((ROOT / "tools").glob("*/package-lock.json"))
LOCKS = [*REQUIREMENTS, *TOOLS]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("lock", LOCKS, ids=_name)
def test_no_lock_names_an_address_or_a_path(lock):
    text = lock.read_text()
    assert re.findall(r"[a-z+]+://\S+|--(?:extra-)?index\S*|--find-links\S*|\bfile:\S+", text) == []
    assert re.findall(r"""(?:^|[\s"'=])/(?!/)[\w.-]+/\S+""", text) == []


@pytest.mark.parametrize("lock", REQUIREMENTS, ids=_name)
def test_every_requirement_has_one_version_and_its_hashes(lock):
    entries = re.split(r"\n(?=\S)", re.sub(r"(?m)^#.*\n", "", lock.read_text()).strip())
    assert len(entries) > (10 if lock.stem == "bench-peers" else 20)
    for entry in entries:
        assert re.match(r"[\w.\[\],-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


def test_the_locks_leave_nothing_to_resolve():
    """Lock files are installed without looking for dependencies: what one of them forgot would be missing here."""
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout


@pytest.mark.parametrize("lock", TOOLS, ids=_name)
def test_every_node_package_has_its_hash(lock):
    packages = json.loads(lock.read_text())["packages"]
    fetched = {name: package for name, package in packages.items() if name}
    assert fetched
    for name, package in fetched.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name
