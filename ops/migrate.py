"""`tutormesh migrate`: bring the databases to their newest revision. Several processes may run it at once.

With `--check` it only looks: a container that is about to serve waits so for whoever migrates.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping

import click
from dotenv import dotenv_values

from mesh import database_urls

#: The time between two looks of `--check --wait`.
CHECK_SECONDS = 1.0
_DONE = {
    "behind": "migrated",
    "current": "was up to date",
    "later": "is at a later release's revision, and stays there",
}
PACKAGES = {name: f"{name}_svc" for name in ("availability", "booking", "learning", "payment", "session")}


@click.command()
@click.option("--service", type=click.Choice(list(PACKAGES)), help="Only this service's; its URL may be DATABASE_URL.")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 unless this release can use the databases.")
@click.option("--wait", type=click.FloatRange(min=0), default=0, help="With --check: seconds to wait until it can.")
def migrate(service: str | None, check: bool, wait: float) -> None:
    """Migrate every service whose BOOKING_DATABASE_URL (PAYMENT_…) is set. Without any, migrate those of `tutormesh up`.

    Behind a pooler, BOOKING_DATABASE_DIRECT_URL (PAYMENT_…) leads to the server itself.
    """
    urls = _read_urls({**dotenv_values(".env"), **os.environ}, service)
    if not urls and service is not None:
        raise click.UsageError(f"{service.upper()}_DATABASE_URL: is missing, and so is DATABASE_URL")
    if check:
        if not urls:
            raise click.UsageError("--check: needs BOOKING_DATABASE_URL (PAYMENT_…)")
        asyncio.run(_check(urls, time.monotonic() + wait))
        return
    asyncio.run(_migrate(urls) if urls else _migrate_devkit())


async def _migrate(urls: Mapping[str, str]) -> None:
    from mesh.migrations import upgrade

    for name, url in urls.items():
        found = await _compare(name, url)
        if found == "behind":
            await upgrade(url, PACKAGES[name])
        click.echo(f"{name}: {_DONE[found]}")


async def _check(urls: Mapping[str, str], deadline: float) -> None:
    """Exit 1 when one of the databases cannot be used by this release at the deadline."""
    for name, url in urls.items():
        while fault := await _find_fault(name, url):
            if time.monotonic() >= deadline:
                click.echo(f"{name}: {fault}", err=True)
                sys.exit(1)
            await asyncio.sleep(min(CHECK_SECONDS, max(0.0, deadline - time.monotonic())))
        click.echo(f"{name}: can be used")


async def _find_fault(name: str, url: str) -> str | None:
    try:
        return "is not migrated" if await _compare(name, url) == "behind" else None
    except click.ClickException as error:
        return error.message.removeprefix(f"{name}: ")


async def _compare(name: str, url: str) -> str:
    """Whether a database is behind, current or later. Raises ClickException when it cannot be used."""
    import asyncpg

    from mesh.migrations import compare

    try:
        return await compare(url, PACKAGES[name])
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise click.ClickException(f"{name}: the database cannot be used: {error or type(error).__name__}") from None


async def _migrate_devkit() -> None:
    """Migrate the databases of the mesh on this machine, whether it runs or not."""
    from devkit import databases, layout
    from devkit.postgres import PostgresFailed
    from devkit.preflight import CannotStart

    try:
        async with databases.open_server(layout.load()) as server_url:
            await databases.make_missing(server_url)
            await _migrate(databases.urls(server_url))
    except (CannotStart, layout.Misconfigured, PostgresFailed) as error:
        raise click.ClickException(str(error)) from None


def _read_urls(environ: Mapping[str, str | None], service: str | None) -> dict[str, str]:
    is_pooled = environ.get("DATABASE_POOLER") == "transaction"
    found = {}
    for name in [service] if service else list(PACKAGES):
        usual = _read_url(environ, name, "DATABASE_URL", alone=service is not None)
        direct = _read_url(environ, name, "DATABASE_DIRECT_URL", alone=service is not None)
        if usual and not direct and is_pooled:
            raise click.UsageError(
                f"{name.upper()}_DATABASE_DIRECT_URL: is missing, and DATABASE_POOLER is transaction"
            )
        if url := direct or usual:
            found[name] = url
    return found


def _read_url(environ: Mapping[str, str | None], service: str, setting: str, *, alone: bool) -> str | None:
    """A service's setting. Of a service `alone` the name may be without the service's. Raises UsageError."""
    own = f"{service.upper()}_{setting}"
    name = own if environ.get(own) or not alone else setting
    url = environ.get(name)
    try:
        return database_urls.check(url) if url else None
    except ValueError as error:
        raise click.UsageError(f"{name}: {error}") from None
