"""The databases of a mesh: their URLs, whether they exist, and whether they are migrated.

`python -m devkit.databases` makes the missing ones on the server that TUTORMESH_DATABASE names.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from devkit.layout import STORED, Layout, Misconfigured, database_name, load, on_server
from devkit.postgres import Postgres, create_databases
from devkit.preflight import CannotStart, lock_data_folder
from mesh.migrations import is_current


def urls(server_url: str) -> dict[str, str]:
    """The URL of each service's database on this server, by the service's name."""
    return {program.name: on_server(server_url, database_name(program)) for program in STORED}


async def make_missing(server_url: str) -> None:
    """Make the databases that do not exist yet. Raises CannotStart when the server cannot be used."""
    import asyncpg

    try:
        await create_databases(server_url, [database_name(program) for program in STORED])
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CannotStart(f"the database server cannot be used: {error}") from error


async def are_current(server_url: str) -> bool:
    """True when every database, all of which exist, is at its newest revision. One cheap query for each."""
    known = urls(server_url)
    return all(await asyncio.gather(*(is_current(known[program.name], program.module) for program in STORED)))


def embedded(layout: Layout) -> Postgres:
    """The mesh's own PostgreSQL."""
    return Postgres(layout.data / "postgres")


@contextlib.asynccontextmanager
async def open_server(layout: Layout) -> AsyncIterator[str]:
    """The URL of the mesh's server, which runs while inside.

    It is the server that TUTORMESH_DATABASE names, else the mesh's own, which is started when it does not run.
    """
    if layout.foreign_server is not None:
        yield layout.foreign_server
        return
    own = embedded(layout)
    if own.is_running():
        yield own.url()
        return
    with lock_data_folder(layout.data), own:
        yield own.url()


def main() -> None:
    """Make the missing databases on the server that TUTORMESH_DATABASE names."""
    server_url = load().foreign_server
    if server_url is None:
        raise Misconfigured("TUTORMESH_DATABASE: is missing")
    asyncio.run(make_missing(server_url))


if __name__ == "__main__":
    main()
