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
    """Migrate every service whose BOOKING_DATABASE_URL (PAYMENT_…) is set. Without any, migrate those of `tutormesh up`."""
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
    from mesh.migrations import compare, upgrade

    for name, url in urls.items():
        found = await compare(url, PACKAGES[name])
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
    import asyncpg

    from mesh.migrations import compare

    try:
        return "is not migrated" if await compare(url, PACKAGES[name]) == "behind" else None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return f"the database cannot be used: {error or type(error).__name__}"


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
    names = [service] if service else list(PACKAGES)
    given = {name: environ.get(f"{name.upper()}_DATABASE_URL") for name in names}
    if service and not given[service]:
        given[service] = environ.get("DATABASE_URL")
    urls = {name: url for name, url in given.items() if url}
    for name, url in urls.items():
        if not url.startswith("postgresql+asyncpg://"):
            raise click.UsageError(f"{name.upper()}_DATABASE_URL: must start with postgresql+asyncpg://")
    return urls
