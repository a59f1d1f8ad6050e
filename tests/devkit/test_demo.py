"""The demo data is loaded as the operator, over real gRPC, and the same each time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from devkit import issuer
from devkit.demo import data as demo
from devkit.demo.lesson import DemoFailed, sell_lesson
from devkit.layout import CALLERS, CERTIFIED, Layout, Misconfigured
from devkit.people import STUDENTS
from mesh.identity import KeySet, Verifier
from mesh.server import Server, Service
from mesh.settings import ServiceSettings
from tests.devkit.fake_mesh import reserve_ports, wait_until
from tutormesh.availability.v1 import availability_pb2 as pb
from tutormesh.availability.v1 import availability_pb2_grpc as rpc
from tutormesh.learning.v1 import learning_pb2, learning_pb2_grpc


class Published(rpc.AvailabilityServiceServicer, learning_pb2_grpc.LearningServiceServicer):
    """A servicer of two services that records what is published."""

    def __init__(self) -> None:
        self.requests: list[pb.PublishAvailabilityRequest] = []
        self.drafts: list[learning_pb2.CreateCourseRequest] = []
        self.courses: list[str] = []

    async def CreateCourse(self, request: Any, context: Any) -> learning_pb2.CreateCourseResponse:
        self.drafts.append(request)
        return learning_pb2.CreateCourseResponse()

    async def PublishCourse(self, request: Any, context: Any) -> learning_pb2.PublishCourseResponse:
        self.courses.append(request.course_id)
        return learning_pb2.PublishCourseResponse()

    async def PublishAvailability(self, request: Any, context: Any) -> pb.PublishAvailabilityResponse:
        self.requests.append(request)
        return pb.PublishAvailabilityResponse()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    mesh = Layout(tmp_path, {"TUTORMESH_PORT_BASE": str(reserve_ports())})
    mesh.write_service_tokens()
    return mesh


@pytest_asyncio.fixture
async def published(layout: Layout) -> AsyncIterator[Published]:
    jwks = (layout.keys / "jwks.json").as_uri()
    identity = {"auth_issuer": layout.issuer, "auth_audience": layout.audience, "auth_jwks_url": jwks}
    verifier, servicer = Verifier(KeySet(jwks), layout.issuer, layout.audience), Published()
    calendars = pb.DESCRIPTOR.services_by_name["AvailabilityService"]
    school = learning_pb2.DESCRIPTOR.services_by_name["LearningService"]
    async with contextlib.AsyncExitStack() as stack:
        for name, service in (
            ("availability", Service(calendars, rpc.add_AvailabilityServiceServicer_to_server, servicer)),
            ("learning", Service(school, learning_pb2_grpc.add_LearningServiceServicer_to_server, servicer)),
        ):
            settings = ServiceSettings(_env_file=None, port=layout.port(name), drain_seconds=1, **identity)
            server = Server(settings, verifier, [service])
            await server.start()
            stack.push_async_callback(server.stop)
        yield servicer


async def test_three_tutors_in_three_zones_are_published_as_the_operator(layout: Layout, published: Published) -> None:
    await demo.load(layout)
    assert {request.timezone for request in published.requests} == {"America/New_York", "Europe/Berlin", "Asia/Tokyo"}
    assert {request.rate.currency for request in published.requests} == {"USD", "EUR", "JPY"}


async def test_two_courses_of_demo_tutors_are_published_and_one_has_four_seats(
    layout: Layout, published: Published
) -> None:
    await demo.load(layout)
    assert published.courses == [draft.course_id for draft in published.drafts]
    assert [draft.seats for draft in published.drafts] == [0, 4]
    tutors = {request.tutor_id: request.rate.currency for request in published.requests}
    assert all(tutors[draft.instructor_id] == draft.price.currency for draft in published.drafts)


async def test_loading_twice_sends_the_same_requests_twice(layout: Layout, published: Published) -> None:
    await demo.load(layout)
    await demo.load(layout)
    assert published.requests[:3] == published.requests[3:]
    assert published.drafts[:2] == published.drafts[2:]
    assert len({request.tutor_id for request in published.requests} | set(STUDENTS.values())) == 5


async def test_the_issuer_gives_each_caller_its_own_token_and_keeps_the_key(tmp_path: Path) -> None:
    mesh, folder = Layout(tmp_path / "issuer", {}), tmp_path / "identity"
    issuing = asyncio.create_task(issuer.issue_forever(mesh, folder))
    await wait_until((folder / "ops" / "token").exists)
    issuing.cancel()
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    own = ["bff/demo-people.json"] + [
        f"{name}/{file}" for name in CERTIFIED for file in ("ca.crt", "tls.crt", "tls.key")
    ]
    assert files == sorted([*own, "bff/token", "ops/token", "payment/token", "public/jwks.json"])
    verifier = Verifier(KeySet((folder / "public" / "jwks.json").as_uri()), mesh.issuer, mesh.audience)
    for name in CALLERS:
        assert (await verifier.verify((folder / name / "token").read_text())).service == name


@pytest.mark.parametrize("production", [{"TUTORMESH_ENV": "production"}, {"STRIPE_SECRET_KEY": "sk_live_1"}])
async def test_production_gets_neither_demo_data_nor_development_tokens(
    tmp_path: Path, published: Published, production: dict[str, str]
) -> None:
    mesh, (name,) = Layout(tmp_path / "production", production), production
    with pytest.raises(Misconfigured, match=f"^{name}: "):
        await issuer.issue_forever(mesh, mesh.root)
    with pytest.raises(Misconfigured, match=f"^{name}: "):
        await demo.load(mesh)
    with pytest.raises((Misconfigured, DemoFailed)):
        await sell_lesson(mesh)
    with pytest.raises(Misconfigured, match=f"^{name}: "):
        mesh.write_service_tokens()
    assert not mesh.root.exists()
    assert published.requests == []
