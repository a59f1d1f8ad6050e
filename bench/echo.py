"""A bare grpc.aio server that returns its requests. `python -m bench.echo` prints its port and serves."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc

from tutormesh.booking.v1 import booking_pb2

METHOD = "/bench.v1.EchoService/Echo"


async def _echo(request: booking_pb2.Booking, context: Any) -> booking_pb2.Booking:
    return request


async def main() -> None:
    server = grpc.aio.server()
    handler: Any = grpc.unary_unary_rpc_method_handler(
        _echo,
        request_deserializer=booking_pb2.Booking.FromString,
        response_serializer=booking_pb2.Booking.SerializeToString,
    )
    server.add_registered_method_handlers("bench.v1.EchoService", {"Echo": handler})
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.v1.EchoService", {"Echo": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
