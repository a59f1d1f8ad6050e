"""docs/api.md, "Commands", "Ports and environment" and "gRPC": the commands, and what serves on each port."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import grpc
import jwt
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from tests.contract.client import MeshClient, lesson_time, wait_until
from tutormesh.payment.v1 import payment_pb2, payment_pb2_grpc

#: The RPCs that docs/api.md names, by service.
RPCS = {
    "tutormesh.booking.v1.BookingService": "CreateBooking GetBooking ConfirmBooking WatchBooking",
    "tutormesh.payment.v1.PaymentService": "BookSession CancelBooking EnrollInCourse CreatePaymentIntent GetPayment"
    " ListPayments HandleStripeWebhook HandlePaymentCallback",
    "tutormesh.payment.v1.SagaService": "ListSagas GetSaga RetrySaga ResolveSaga",
    "tutormesh.availability.v1.AvailabilityService": "ListSlots HoldSlot ConfirmSlot ReleaseSlot BlockTime RemoveBlock"
    " PublishAvailability",
    "tutormesh.session.v1.SessionService": "CreateConfirmedSession CancelSession CompleteSession GetSession ListSessions",
    "tutormesh.learning.v1.LearningService": "CreateCourse PublishCourse VerifyCourse CreateEnrollmentRecord"
    " CancelEnrollment WatchEnrollment",
}
OFFSETS = {"bff": 0, "booking": 1, "payment": 2, "availability": 3, "session": 4, "learning": 5, "sandbox": 6}


@pytest.mark.parametrize("role", ["student", "tutor", "admin", "service"])
async def test_token_prints_only_a_jwt_that_lasts_twelve_hours(mesh: MeshClient, role: str) -> None:
    person = str(uuid.uuid4())
    printed = await mesh.tutormesh("token", "--role", role, "--subject", person)
    claims = jwt.decode(printed.out.strip(), options={"verify_signature": False})
    assert (printed.status, printed.err, len(printed.out.splitlines())) == (0, "", 1)
    assert (claims["sub"], claims["roles"]) == (person, [role])
    assert {"iss", "aud", "exp"} <= set(claims)
    assert claims["exp"] - claims["iat"] == 12 * 3600


async def test_the_edge_accepts_a_printed_token(mesh: MeshClient) -> None:
    printed = await mesh.tutormesh("token", "--role", "student")
    sessions = mesh.nobody
    sessions.token = printed.out.strip()
    assert await sessions.get("{ getMySessions { nodes { id } } }") == {"nodes": []}


async def test_saga_list_and_show_print_the_saga_of_a_booking(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    made = await student.book(tutor, lesson_time())
    listed = await mesh.tutormesh("saga", "list")
    assert (listed.status, made["sagaId"] in listed.out) == (0, True)
    shown = json.loads((await mesh.tutormesh("saga", "show", made["sagaId"], "--json")).out)
    assert (shown["kind"], shown["state"]) == ("BookAndPayForSessionSaga", "AWAITING_PAYMENT")
    assert (shown["booking_id"], shown["is_complete"]) == (made["booking"]["id"], False)


async def test_saga_retry_and_resolve_refuse_a_saga_that_is_not_parked(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor({"amountMinor": 0, "currency": "USD"})
    saga = (await student.book(tutor, lesson_time()))["sagaId"]
    for words in (("retry", saga), ("resolve", saga, "--state", "CANCELLED", "--note", "by hand", "--yes")):
        printed = await mesh.tutormesh("saga", *words)
        assert (printed.status, "WRONG_STATE" in printed.err) == (1, True), printed


async def test_audit_ends_with_1_on_a_breach_and_reconcile_repairs_a_lost_webhook(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    booking = await mesh.sell(student, tutor, lesson_time())
    intent = booking["payment"]["stripePaymentIntentId"]
    await mesh.sandbox("POST", "/webhooks", {"mode": "drop"})
    (await mesh.stripe("POST", "/v1/refunds", {"payment_intent": intent, "amount": 700})).raise_for_status()
    await mesh.sandbox("POST", "/webhooks", {"mode": "normal"})
    breached = await mesh.tutormesh("audit")
    assert breached.status == 1
    assert intent in breached.out
    assert (await mesh.tutormesh("reconcile")).status == 0
    await wait_until(lambda: student.booking(booking["id"]), lambda b: b["payment"]["refunded"]["amountMinor"] == 700)
    assert (await mesh.tutormesh("audit")).status == 0


async def test_migrate_finds_every_database_up_to_date(mesh: MeshClient) -> None:
    printed = await mesh.tutormesh("migrate")
    assert printed.status == 0
    assert printed.out.count("was up to date") == 5


@pytest.mark.parametrize("name", OFFSETS)
async def test_every_program_listens_on_its_offset_from_the_port_base(mesh: MeshClient, name: str) -> None:
    base = int(mesh.layout.settings["TUTORMESH_PORT_BASE"])
    _, writer = await asyncio.open_connection("127.0.0.1", base + OFFSETS[name])
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("service", RPCS)
async def test_every_service_is_healthy_and_describes_itself(mesh: MeshClient, service: str) -> None:
    health, described = await asyncio.to_thread(read_descriptors, mesh.layout.address(service.split(".")[1]), service)
    assert health == {"": "SERVING", service: "SERVING"}
    (found,) = (each for each in described.service if f"{described.package}.{each.name}" == service)
    streams = {method.name for method in found.method if method.server_streaming}
    assert set(RPCS[service].split()) <= {method.name for method in found.method}
    assert streams == {name for name in ("WatchBooking", "WatchEnrollment") if name in RPCS[service].split()}


def read_descriptors(address: str, service: str) -> tuple[dict[str, str], FileDescriptorProto]:
    """Read the health and the descriptors of an unknown port, as a developer's tool does."""
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        health: dict[str, Any] = {}
        for name in ("", service):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
            health[name] = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        reflected = ProtoReflectionDescriptorDatabase(channel)
        assert {service, "grpc.health.v1.Health"} <= set(reflected.get_services())
        return health, reflected.FindFileContainingSymbol(service)


async def test_a_refusal_is_a_status_whose_error_info_has_the_user_errors_code(mesh: MeshClient) -> None:
    printed = await mesh.tutormesh("token", "--role", "service", "--service", "internal")
    request = payment_pb2.BookSessionRequest(
        student_id=str(uuid.uuid4()), tutor_id=str(uuid.uuid4()), duration_minutes=60
    )
    request.start_time.FromDatetime(lesson_time())
    async with grpc.aio.insecure_channel(mesh.layout.address("payment")) as channel:
        stub = payment_pb2_grpc.PaymentServiceStub(channel)
        who = grpc.aio.Metadata(("authorization", f"Bearer {printed.out.strip()}"))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.BookSession(request, timeout=10, metadata=who)
    status, info = rpc_status.from_call(refused.value), error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (refused.value.code(), info.reason) == (grpc.StatusCode.NOT_FOUND, "TUTOR_NOT_FOUND")


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/readyz", 200), ("/metrics", 404)])
async def test_the_edge_serves_health_and_readiness_and_its_clients_no_metrics(
    mesh: MeshClient, path: str, status: int
) -> None:
    assert (await mesh.http.get(mesh.bff + path)).status_code == status


@pytest.mark.parametrize("name", sorted(OFFSETS.keys() - {"sandbox"}))
async def test_every_process_serves_its_metrics_twenty_above_its_port(mesh: MeshClient, name: str) -> None:
    base = int(mesh.layout.settings["TUTORMESH_PORT_BASE"])
    answer = await mesh.http.get(f"http://127.0.0.1:{base + OFFSETS[name] + 20}/metrics")
    assert (answer.status_code, f'service="{name}"' in answer.text) == (200, True)


async def test_the_demo_data_makes_two_courses_and_no_bookings(mesh: MeshClient) -> None:
    await wait_until(lambda: asyncio.to_thread((mesh.layout.data / "demo.loaded").exists), bool)
    titles = [node["title"] for node in (await mesh.person("student").get("{ courses { nodes { title } } }"))["nodes"]]
    assert {"Calculus from the beginning", "Japanese conversation, a small group"} <= set(titles)
    sagas = json.loads((await mesh.tutormesh("saga", "list", "--json", "--limit", "100000")).out)
    demo = "00000000-0000-4000-8000-"
    assert not [saga for saga in sagas if demo in saga["student_id"] + saga["tutor_id"]]
