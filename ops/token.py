"""`tutormesh token`: print a development JWT, and nothing else, on standard output."""

from __future__ import annotations

import click

ROLES = ("student", "tutor", "admin", "service")


@click.command()
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the bearer is.")
@click.option("--subject", metavar="UUID", help="Who the bearer is; a new person when not given.")
@click.option("--service", metavar="NAME", help="Which service the bearer is; only with --role service.")
def token(role: str, subject: str | None, service: str | None) -> None:
    """Print a development JWT for this mesh, valid for 12 hours."""
    from devkit import layout

    try:
        click.echo(layout.load().signer().token(role, subject=subject, service=service))
    except layout.Misconfigured as error:
        raise click.ClickException(str(error)) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
