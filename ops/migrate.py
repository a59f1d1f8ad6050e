"""`tutormesh migrate`: bring the databases to their newest revision. Several processes may run it at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

import click
from dotenv import dotenv_values

PACKAGES = {name: f"{name}_svc" for name in ("availability", "booking", "learning", "payment", "session")}


@click.command()
@click.option("--service", type=click.Choice(list(PACKAGES)), help="Only this service's; its URL may be DATABASE_URL.")
def migrate(service: str | None) -> None:
    """Migrate every service whose BOOKING_DATABASE_URL (PAYMENT_…) is set. Without any, migrate those of `tutormesh up`."""
    urls = _read_urls({**dotenv_values(".env"), **os.environ}, service)
    if not urls and service is not None:
        raise click.UsageError(f"{service.upper()}_DATABASE_URL: is missing, and so is DATABASE_URL")
    asyncio.run(_migrate(urls) if urls else _migrate_devkit())


async def _migrate(urls: Mapping[str, str]) -> None:
    from mesh.migrations import is_current, upgrade

    for name, url in urls.items():
        current = await is_current(url, PACKAGES[name])
        if not current:
            await upgrade(url, PACKAGES[name])
        click.echo(f"{name}: {'was up to date' if current else 'migrated'}")


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
