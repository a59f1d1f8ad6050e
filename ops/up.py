"""`tutormesh up`: run the whole mesh on a developer's machine."""

from __future__ import annotations

import asyncio
import os

import click


@click.command()
def up() -> None:
    """Run PostgreSQL, the Stripe sandbox, all services and the BFF until Ctrl-C.

    Prints a line `ready` when everything is SERVING. Data is kept in TUTORMESH_DATA (.data).
    """
    from devkit import layout
    from devkit.launcher import run_mesh
    from devkit.postgres import PostgresFailed
    from devkit.preflight import CannotStart
    from devkit.processes.lifetime import end_with_parent

    if "MAKELEVEL" in os.environ:
        end_with_parent()
    try:
        asyncio.run(run_mesh(layout.load()))
    except (CannotStart, layout.Misconfigured, PostgresFailed) as error:
        raise click.ClickException(str(error)) from None
