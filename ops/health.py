"""`tutormesh health`: is one service SERVING? Container healthchecks run it."""

from __future__ import annotations

import sys

import click


@click.command()
@click.argument("address", metavar="HOST:PORT")
def health(address: str) -> None:
    """Exit 0 when the service at HOST:PORT is SERVING (grpc.health.v1), else 1 and one line."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=3)
        except grpc.RpcError as error:
            click.echo(f"{address}: {error.code().name}", err=True)
            sys.exit(1)
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    click.echo(f"{address}: {name}")
    sys.exit(0 if answer.status == health_pb2.HealthCheckResponse.SERVING else 1)
