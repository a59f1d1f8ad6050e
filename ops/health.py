"""`tutormesh health`: is one service SERVING? Container healthchecks run it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import grpc


@click.command()
@click.argument("address", metavar="HOST:PORT")
@click.option("--service", metavar="NAME", help="Whose certificate the answer must have; by default the host's name.")
def health(address: str, service: str | None) -> None:
    """Exit 0 when the service at HOST:PORT is SERVING (grpc.health.v1), else 1 and one line.

    Where MESH_TLS is on, it asks with the certificate that MESH_CERT_DIR names. HEALTH_PORT needs none: set MESH_TLS=off.
    """
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with _open(address, service) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=3)
        except grpc.RpcError as error:
            click.echo(f"{address}: {error.code().name}", err=True)
            sys.exit(1)
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    click.echo(f"{address}: {name}")
    sys.exit(0 if answer.status == health_pb2.HealthCheckResponse.SERVING else 1)


def _open(address: str, service: str | None) -> grpc.Channel:
    """A channel, with the certificate of the environment where MESH_TLS is on. Ends the process when that is unusable."""
    import grpc

    from ops.own_certificate import MeshUnknown, certificates, read_environment

    options: list[tuple[str, Any]] = [("grpc.enable_http_proxy", 0)]
    try:
        found = certificates(read_environment())
    except MeshUnknown as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    if found is None:
        return grpc.insecure_channel(address, options=options)
    if service is not None:
        options.append(("grpc.ssl_target_name_override", service))
    return grpc.secure_channel(address, found.current().for_clients(), options=options)
