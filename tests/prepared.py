"""A PostgreSQL with the migrated database of each service, made once per run of the suite.

Each server of the suite starts on a copy of its data folder. `initdb` and five migrations cost seconds of CPU, a copy a
tenth.
"""

from __future__ import annotations

import asyncio
import fcntl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from devkit.databases import make_missing, urls
from devkit.layout import PROGRAMS
from devkit.postgres import Postgres
from mesh import migrations

#: Where it is in this run. The fixture `postgres`, which every test has, says so.
_made: Path | None = None


def prepare(shared: Path) -> None:
    """Make it below this folder, which all of the runner's processes share, unless another process has."""
    global _made
    folder = shared / "prepared"
    with (shared / "prepared.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            draft = Postgres(shared / "draft", durable=False)
            with draft, ThreadPoolExecutor(1) as other:  # this thread may have a loop already
                other.submit(asyncio.run, _migrate(draft.url())).result()
            draft.folder.rename(folder)
    _made = folder


def copy_to(folder: Path) -> None:
    """Make this the data folder of a server that has yet to start. Owner and permissions are kept."""
    assert _made is not None, "the fixture `postgres` comes first"
    folder.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", f"{_made}/.", str(folder)], check=True)


async def _migrate(server_url: str) -> None:
    await make_missing(server_url)
    for name, url in urls(server_url).items():
        await migrations.upgrade(url, PROGRAMS[name].module)
