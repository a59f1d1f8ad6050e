"""`tutormesh migrate`: bring the databases to their newest revision. Several processes may run it at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

import click
from dotenv import dotenv_values

from mesh import database_urls

PACKAGES = {name: f"{name}_svc" for name in ("availability", "booking", "learning", "payment", "session")}


@click.command()
@click.option("--service", type=click.Choice(list(PACKAGES)), help="Only this service's; its URL may be DATABASE_URL.")
def migrate(service: str | None) -> None:
    """Migrate every service whose BOOKING_DATABASE_URL (PAYMENT_…) is set. Without any, migrate those of `tutormesh up`.

    Behind a pooler, BOOKING_DATABASE_DIRECT_URL (PAYMENT_…) leads to the server itself.
    """
    urls = _read_urls({**dotenv_values(".env"), **os.environ}, service)
    if not urls and service is not None:
        raise click.UsageError(f"{service.upper()}_DATABASE_URL: is missing, and so is DATABASE_URL")
    asyncio.run(_migrate(urls) if urls else _migrate_devkit())


async def _migrate(urls: Mapping[str, str]) -> None:
    from mesh.migrations import upgrade

    for name, url in urls.items():
        current = await _is_current(name, url)
        if not current:
            await upgrade(url, PACKAGES[name])
        click.echo(f"{name}: {'was up to date' if current else 'migrated'}")


async def _is_current(name: str, url: str) -> bool:
    import asyncpg

    from mesh.migrations import is_current

    try:
        return await is_current(url, PACKAGES[name])
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
