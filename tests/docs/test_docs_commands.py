"""Every command of README.md and docs/ is run as it stands: page by page, from top to bottom, in one shell.

Only the ports are replaced, by those of the test's own mesh. A block that cannot be run has its reason above it. What a
page says that a block prints (a `text` block behind it) is printed, where `…` stands for anything.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import stat
import sys
from pathlib import Path

import pytest

from devkit.layout import MAIL_PORT, PROGRAMS
from tests.devkit.fake_mesh import RealMesh
from tests.docs.pages import NAMES, Block, blocks, read

SECONDS = 60
#: Commands that the pages use and that this machine may lack.
STAND_INS = {"grpcurl": True, "curl": shutil.which("curl") is None}
WITH_COMMANDS = [name for name in NAMES if any(block.language == "sh" and not block.not_run for block in blocks(name))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def make_folder(tmp_path: Path) -> Path:
    """Where a page's shell runs: `.venv` is there as in a checkout, and a page's files do not touch the checkout."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "docs").mkdir()
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in (name for name, is_needed in STAND_INS.items() if is_needed):
        command = commands / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name(f"{name}.py")}" "$@"\n')
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def script(page: list[Block]) -> str:
    """The commands of a page as one script, a line before each block that tells which one it is."""
    lines = ["exec 2>&1", "set -euo pipefail"]
    for number, block in enumerate(page):
        if block.language == "sh" and not block.not_run:
            lines += [f"echo {mark(number)}", block.code]
    return "\n".join(lines)


def at_ports_of(mesh: RealMesh, text: str) -> str:
    """The same with the ports of this mesh instead of the usual ones."""
    ports = {program.port: mesh.layout.port(program.name) for program in PROGRAMS.values()}
    ports[MAIL_PORT] = mesh.layout.mail_port
    return re.sub(r"(127\.0\.0\.1|localhost):(\d+)", lambda at: f"{at[1]}:{ports[int(at[2])]}", text)


def mark(number: int) -> str:
    return f"::block-{number}::"


async def run(text: str, mesh: RealMesh, folder: Path) -> tuple[int, str]:
    """Status and output of a script that is given to a shell."""
    (folder / "docs" / "demo.sh").write_text(at_ports_of(mesh, read("docs/demo.sh")))
    own = {name: is_ for name, is_ in mesh.layout.settings.items() if name.startswith("TUTORMESH_")}
    env = {name: is_ for name, is_ in os.environ.items() if not name.endswith(("DATABASE_URL", "_ADDRESS"))}
    env |= own | {"PATH": f"{folder / 'commands'}:{env['PATH']}"}
    shell = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        at_ports_of(mesh, text),
        cwd=folder,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(shell.communicate(), SECONDS)
    assert shell.returncode is not None
    return shell.returncode, out.decode()


def printed(output: str, number: int) -> str:
    """What one block has printed."""
    return output.partition(f"{mark(number)}\n")[2].partition("::block-")[0]


def expected(page: list[Block]) -> list[tuple[int, str]]:
    """Each line that a page says a block prints, with the block's number."""
    ran, lines = -1, []
    for number, block in enumerate(page):
        if block.language == "sh":
            ran = -1 if block.not_run else number
        elif block.language == "text" and ran >= 0:
            lines += [(ran, line.strip()) for line in block.code.splitlines() if line.strip()]
    return lines


@pytest.mark.parametrize("name", WITH_COMMANDS)
async def test_the_commands_of_a_page_do_what_it_says(mesh: RealMesh, folder: Path, name: str) -> None:
    page = blocks(name)
    status, output = await run(script(page), mesh, folder)
    assert status == 0, output
    assert not re.search(r'"errors":|"success":false|"code":|^ERROR:', output, re.M), output
    for number, line in expected(page):
        pattern = ".*".join(map(re.escape, line.split("…")))
        assert re.search(f"(?m)^ *{pattern}$", printed(output, number)), f"{line!r} is not in {output}"


def test_every_page_with_commands_is_run() -> None:
    assert {"docs/graphql.md", "docs/rest.md", "docs/grpc.md", "docs/operations.md"} <= set(WITH_COMMANDS)
