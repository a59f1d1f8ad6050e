"""A bare grpc.aio server that returns its requests. `python -m bench.echo FOLDER` prints its ports and serves.

The first port is in plaintext, the second one with the certificate in FOLDER.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import grpc
import uvloop

from mesh.certificates import Certificates, files_in
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
    plain = server.add_insecure_port("127.0.0.1:0")
    certified = server.add_secure_port("127.0.0.1:0", Certificates(files_in(Path(sys.argv[1]))).for_servers())
    await server.start()
    print(plain, certified, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main())
