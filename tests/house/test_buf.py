"""buf's STANDARD rules hold for our protos, and they are in buf's own format."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.conftest import ROOT

BUF = ROOT / "tools" / "buf" / "node_modules" / ".bin" / "buf"


def run_buf(root: Path, *command: str) -> tuple[int, str]:
    """Run buf in a checkout; its exit status, and what it said."""
    assert BUF.exists(), "`make test` installs it; or: make tools/buf/node_modules"
    done = subprocess.run([BUF, *command], cwd=root, env=with_node(), capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def with_node() -> dict[str, str]:
    """The environment, with the Node of the development packages on its path."""
    return os.environ | {"PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))}


@pytest.mark.parametrize("command", ["lint", "format --diff --exit-code"])
def test_buf_has_nothing_to_say(command: str) -> None:
    assert run_buf(ROOT, *command.split()) == (0, "")
