"""The databases of a mesh: where they are, and that they exist and are migrated.

`python -m devkit.databases` makes the missing ones on the server that TUTORMESH_DATABASE names.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from devkit.guards import Refused, sole_owner
from devkit.layout import STORED, Layout, Misconfigured, database_name, load, on_server
from devkit.postgres import Postgres, create_databases
from mesh.migrations import is_current


def urls(server_url: str) -> dict[str, str]:
    """Each service's name and the URL of its database on this server."""
    return {program.name: on_server(server_url, database_name(program)) for program in STORED}


async def make_missing(server_url: str) -> None:
    """Make the databases that are not there yet. Raises Refused when the server cannot be used."""
    import asyncpg

    try:
        await create_databases(server_url, [database_name(program) for program in STORED])
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Refused(f"the database server cannot be used: {error}") from error


async def all_current(server_url: str) -> bool:
    """True when every database is there and at its newest revision; cheap."""
    await make_missing(server_url)
    known = urls(server_url)
    return all(await asyncio.gather(*(is_current(known[program.name], program.module) for program in STORED)))


def embedded(layout: Layout) -> Postgres:
    """The mesh's own PostgreSQL."""
    return Postgres(layout.data / "postgres")


@contextlib.asynccontextmanager
async def server(layout: Layout) -> AsyncIterator[str]:
    """The URL of the mesh's server: the one TUTORMESH_DATABASE names, the running one, or one run for the moment."""
    if layout.foreign_server is not None:
        yield layout.foreign_server
        return
    own = embedded(layout)
    if own.is_running():
        yield own.url()
        return
    with sole_owner(layout.data), own:
        yield own.url()


def main() -> None:
    """Make the missing databases on a server of the user's own."""
    server_url = load().foreign_server
    if server_url is None:
        raise Misconfigured("TUTORMESH_DATABASE: is missing")
    asyncio.run(make_missing(server_url))


if __name__ == "__main__":
    main()
