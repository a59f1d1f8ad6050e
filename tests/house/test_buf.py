"""buf's STANDARD rules hold for our protos, and they are in buf's own format."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.conftest import ROOT

BUF = ROOT / "tools" / "buf" / "node_modules" / ".bin" / "buf"


@pytest.mark.parametrize("command", ["lint", "format --diff --exit-code"])
def test_buf_has_nothing_to_say(command: str) -> None:
    assert BUF.exists(), "`make test` installs it; or: make tools/buf/node_modules"
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))  # Node comes with the dev packages
    environment = os.environ | {"PATH": path}
    done = subprocess.run(
        [BUF, *command.split()], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
