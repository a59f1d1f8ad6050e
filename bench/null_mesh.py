"""A mesh that does nothing: what the students' apps call, answered at once. `python -m bench.null_mesh` serves it.

It reads the ports of a mesh's layout from the environment. The sandbox's webhooks are counted.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import uvicorn
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devkit.layout import HOST, Layout, load
from tutormesh.booking.v1 import booking_pb2

BOOKING = booking_pb2.DESCRIPTOR.services_by_name["BookingService"].full_name


async def _watch_booking(
    request: booking_pb2.WatchBookingRequest, context: object
) -> AsyncIterator[booking_pb2.WatchBookingResponse]:
    """Every booking is CONFIRMED."""
    for status in (booking_pb2.BOOKING_STATUS_PAYMENT_REQUIRED, booking_pb2.BOOKING_STATUS_CONFIRMED):
        yield booking_pb2.WatchBookingResponse(booking=booking_pb2.Booking(id=request.booking_id, status=status))


def _booking_service() -> grpc.GenericRpcHandler:
    watch: Any = grpc.unary_stream_rpc_method_handler(
        _watch_booking,
        request_deserializer=booking_pb2.WatchBookingRequest.FromString,
        response_serializer=booking_pb2.WatchBookingResponse.SerializeToString,
    )
    return grpc.method_handlers_generic_handler(BOOKING, {"WatchBooking": watch})


async def _answer_graphql(request: Request) -> Response:
    if "bookSession" not in (await request.json())["query"]:
        return JSONResponse({"data": {"publishAvailability": {"userErrors": []}}})
    booked = {
        "booking": {"id": str(uuid.uuid4()), "status": "PAYMENT_REQUIRED"},
        "clientSecret": "pi_1_secret_1",
        "paymentIntentId": "pi_1",
        "userErrors": [],
    }
    return JSONResponse({"data": {"bookSession": booked}})


async def _confirm(request: Request) -> Response:
    await request.body()
    return JSONResponse({})


class Webhooks:
    """Counts what it takes. GET says how many that were."""

    def __init__(self) -> None:
        self.taken = 0

    async def answer(self, request: Request) -> Response:
        await request.body()
        self.taken += request.method == "POST"
        return JSONResponse({"taken": self.taken})


ROUTES = [
    Route("/graphql", _answer_graphql, methods=["POST"]),
    Route("/v1/payment_intents/{id}/confirm", _confirm, methods=["POST"]),
    Route("/webhooks/stripe", Webhooks().answer, methods=["GET", "POST"]),
]


def _listen(port: int) -> socket.socket:
    listener = socket.create_server((HOST, port), backlog=512)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def serve(layout: Layout) -> None:
    """Serve until the process is ended. Prints `ready`."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_booking_service(),))
    healthy = health.aio.HealthServicer()
    await healthy.set(BOOKING, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    server.add_insecure_port(layout.address("booking"))
    await server.start()
    config = uvicorn.Config(Starlette(routes=ROUTES), access_log=False, log_config=None, lifespan="off")
    sockets = [_listen(layout.port(name)) for name in ("bff", "sandbox")]
    print("ready", flush=True)
    await uvicorn.Server(config).serve(sockets=sockets)


if __name__ == "__main__":
    uvloop.run(serve(load()))
