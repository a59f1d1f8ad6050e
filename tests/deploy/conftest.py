"""Each overlay, rendered once by kubectl's own kustomize."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.deploy.rendered import Rendered

ROOT = Path(__file__).parents[2]
OVERLAYS = sorted(path.name for path in (ROOT / "deploy/k8s/overlays").iterdir() if path.is_dir())
KUBECTL = Path(sys.executable).parent / "kubectl"


@cache
def render(overlay: str) -> Rendered:
    """Raises AssertionError with kustomize's words."""
    command = [KUBECTL, "kustomize", ROOT / "deploy/k8s/overlays" / overlay]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return Rendered(overlay, list(yaml.load_all(done.stdout, yaml.CSafeLoader)))


@pytest.fixture(scope="session", params=OVERLAYS)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return render(request.param)


@pytest.fixture(scope="session")
def production() -> Rendered:
    return render("production")


@pytest.fixture(scope="session")
def dev() -> Rendered:
    return render("dev")
