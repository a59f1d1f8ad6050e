"""`tutormesh certificate`: a development certificate, for grpcurl, `buf curl` and services of the company."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--service", metavar="NAME", required=True, help='Whose: "ops", "payment", …, or "internal/shop".')
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def certificate(service: str, folder: Path) -> None:
    """Write tls.crt, tls.key and ca.crt of this mesh's development CA into FOLDER. They are valid for 12 hours.

    Services accept them under MESH_TLS=on. A name that no RPC declares can only ask for health and reflection.
    """
    from devkit import layout

    try:
        layout.load().issue_certificate(service, folder)
    except (layout.Misconfigured, ValueError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{folder}: tls.crt, tls.key, ca.crt of spiffe://tutormesh/{service}")
