"""The demo data arrives as the operator's, over real gRPC, and says the same each time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from devkit import demo, issuer
from devkit.layout import PROGRAMS, Layout
from mesh.identity import KeySet, Verifier
from mesh.server import Server, Service
from mesh.settings import ServiceSettings
from tests.devkit.stage import free_base, until
from tutormesh.availability.v1 import availability_pb2 as pb
from tutormesh.availability.v1 import availability_pb2_grpc as rpc


class Published(rpc.AvailabilityServiceServicer):
    """Remembers what was published."""

    def __init__(self) -> None:
        self.requests: list[pb.PublishAvailabilityRequest] = []

    async def PublishAvailability(self, request: Any, context: Any) -> pb.PublishAvailabilityResponse:
        self.requests.append(request)
        return pb.PublishAvailabilityResponse()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    mesh = Layout(tmp_path, {"TUTORMESH_PORT_BASE": str(free_base())})
    issuer.issue(mesh)
    return mesh


@pytest_asyncio.fixture
async def published(layout: Layout) -> AsyncIterator[Published]:
    jwks = (layout.keys / "jwks.json").as_uri()
    identity = {"auth_issuer": layout.issuer, "auth_audience": layout.audience, "auth_jwks_url": jwks}
    settings = ServiceSettings(_env_file=None, port=layout.port("availability"), drain_seconds=1, **identity)
    verifier, servicer = Verifier(KeySet(jwks), layout.issuer, layout.audience), Published()
    descriptor = pb.DESCRIPTOR.services_by_name["AvailabilityService"]
    server = Server(settings, verifier, [Service(descriptor, rpc.add_AvailabilityServiceServicer_to_server, servicer)])
    await server.start()
    yield servicer
    await server.stop()


async def test_three_tutors_in_three_zones_are_published_as_the_operator(layout: Layout, published: Published) -> None:
    await demo.load(layout)
    assert {request.timezone for request in published.requests} == {"America/New_York", "Europe/Berlin", "Asia/Tokyo"}
    assert {request.rate.currency for request in published.requests} == {"USD", "EUR", "JPY"}


async def test_loading_twice_says_the_same_twice(layout: Layout, published: Published) -> None:
    await demo.load(layout)
    await demo.load(layout)
    assert published.requests[:3] == published.requests[3:]
    assert len({request.tutor_id for request in published.requests} | set(demo.STUDENTS.values())) == 5


async def test_the_issuer_keeps_every_program_in_tokens(tmp_path: Path) -> None:
    mesh = Layout(tmp_path, {})
    issuing = asyncio.create_task(issuer.issue_forever(mesh))
    await until(mesh.token_file("ops").exists)
    issuing.cancel()
    verifier = Verifier(KeySet((mesh.keys / "jwks.json").as_uri()), mesh.issuer, mesh.audience)
    for name in (*PROGRAMS, "ops"):
        claims = await verifier.verify(mesh.token_file(name).read_text())
        assert claims.service == name
