"""Alembic, run from code: brings a service's database to its newest migration. Several processes may try at once.

A service keeps `migrations/versions/NNNN_name.py` and an `env.py` of three lines::

    from mesh.migrations import run
    from booking_svc.tables import metadata
    run(metadata)

A database that is up to date costs one query: Alembic is imported only when there is something to migrate.
"""

from __future__ import annotations

import asyncio
import importlib.util
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData

#: "tutormesh" as a number: the advisory lock under which a database is migrated.
_LOCK = 0x7475746F
#: What the server calls the connections.
_NAME = "migrations"
#: Alembic keeps its current migration in module globals, so a process can run only one at a time.
_one_at_a_time = threading.Lock()
_REVISION = re.compile(r"""^(down_)?revision\b[^=\n]*=\s*["']([^"']+)["']""", re.MULTILINE)


def run(metadata: MetaData) -> None:
    """Run the migrations that `upgrade` asked Alembic for. A service's `migrations/env.py` calls this."""
    from alembic import context

    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


async def upgrade(database_url: str, package: str) -> None:
    """Bring the database of `package` (such as "booking_svc") to its newest revision; all revisions or none.

    `database_url` leads to the server itself, past any pooler: a lock of the session makes a second process wait for
    the first.
    """
    await asyncio.to_thread(_upgrade, database_url, package)


async def is_current(database_url: str, package: str) -> bool:
    """True when the database is at the newest revision of `package`. Sends one query and imports no Alembic."""
    return await compare(database_url, package) == "current"


async def compare(database_url: str, package: str) -> Literal["behind", "current", "later"]:
    """Where the database is beside this release's migrations of `package`. Sends one query and imports no Alembic.

    "later" is a revision that this release does not know: a later release has migrated it. Migrations only add, so that
    replicas of this release go on, and may be started again.
    """
    found, ours = await _revisions(database_url), _files(package)
    if found == heads(package):
        return "current"
    return "later" if found and found.isdisjoint(ours) else "behind"


async def _revisions(database_url: str) -> set[str]:
    """What Alembic has noted in the database; empty before the first migration."""
    import asyncpg

    from mesh.postgres import Connector

    connection = await Connector(database_url, _NAME, connect_seconds=5, answer_seconds=5).connect()
    try:
        rows = await connection.fetch("select version_num from alembic_version")
    except asyncpg.UndefinedTableError:
        return set()
    finally:
        await connection.close(timeout=5)
    return {row["version_num"] for row in rows}


def heads(package: str) -> set[str]:
    """The newest revisions among a package's migration files (one, unless two branches were never merged)."""
    files = _files(package)
    return files.keys() - {before for followed in files.values() for before in followed}


def _files(package: str) -> dict[str, set[str]]:
    """Each revision of a package's migration files, with those that it follows."""
    found: dict[str, set[str]] = {}
    for path in (_folder(package) / "versions").glob("*.py"):
        named = _REVISION.findall(path.read_text())
        found |= {name: {before for down, before in named if down} for down, name in named if not down}
    return found


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"there is no package {package}", name=package)
    return Path(spec.origin).parent / "migrations"


def _upgrade(database_url: str, package: str) -> None:
    with _one_at_a_time:
        asyncio.run(_upgrade_locked(database_url, package))


async def _upgrade_locked(database_url: str, package: str) -> None:
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    from mesh.database_urls import DRIVER
    from mesh.postgres import Connector

    # Without the time limits of a service: a migration may take long.
    connector = Connector(database_url, _NAME, settings={}, connect_seconds=5)
    engine = create_async_engine(
        f"{DRIVER}://",
        poolclass=NullPool,
        hide_parameters=True,  # errors are logged
        connect_args={"async_creator_fn": connector.connect},
    )
    try:
        async with engine.connect() as connection:
            # The lock belongs to the session: it outlasts Alembic's transactions, and a lost connection frees it.
            await connection.execute(text(f"select pg_advisory_lock({_LOCK})"))
            await connection.commit()
            await connection.run_sync(_to_head, package)
            await connection.execute(text(f"select pg_advisory_unlock({_LOCK})"))
    finally:
        await engine.dispose()


def _to_head(connection: Connection, package: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_folder(package)).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, "head")
    connection.commit()
