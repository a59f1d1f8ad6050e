"""Random messages at every RPC of every service: an answer or a refusal with a reason, no INTERNAL, no hang."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mesh.callers import declared_callers
from mesh.channels import messages as messages_of
from mesh.errors import Refusal
from tests.fuzz.messages import messages
from tests.people import People, lesson_time
from tests.world import World

EXAMPLES = 40 if os.environ.get("FULL") else 15
SERVICES = {
    "availability": ("AvailabilityService",),
    "booking": ("BookingService",),
    "learning": ("LearningService",),
    "payment": ("NotificationService", "PaymentService", "SagaService"),
    "session": ("SessionService",),
}
#: Services in a file that is not named after its package.
FILES = {"NotificationService": "notification", "SagaService": "saga"}
#: Their request is one small message, and one call looks at everything there is.
ELSEWHERE = {"Reconcile"}


def methods() -> Iterator[Any]:
    for package, services in SERVICES.items():
        for service in services:
            file = FILES.get(service, package)
            described = import_module(f"tutormesh.{package}.v1.{file}_pb2").DESCRIPTOR.services_by_name[service]
            for method in described.methods:
                if method.name not in ELSEWHERE:
                    yield pytest.param(package, file, method, id=f"{service}.{method.name}")


@cache
def strategy(method: MethodDescriptor, ids: tuple[str, ...]) -> st.SearchStrategy[Message]:
    return messages(method.input_type, list(ids))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def known(world: World) -> tuple[str, ...]:
    """Ids of things that exist."""
    async with httpx.AsyncClient(timeout=10) as http:
        people = People(world, http, {})
        tutor, student = await people.tutor(), uuid4()
        booked = await people.book(tutor, lesson_time(), student)
        for channel in people.channels.values():
            await channel.close()
    return (str(tutor), str(student), booked.saga_id, booked.booking_id, booked.session_id, booked.payment_id)


@pytest.mark.parametrize(("package", "file", "method"), list(methods()))
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,  # each call has its own
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
async def test_50_a_random_message_is_answered_or_refused_by_name(
    people: People, known: tuple[str, ...], package: str, file: str, method: MethodDescriptor, data: st.DataObject
) -> None:
    service, request = method.containing_service, data.draw(strategy(method, known))
    caller = sorted(declared_callers(service)[f"/{service.full_name}/{method.name}"])[0]
    stubs = import_module(f"tutormesh.{package}.v1.{file}_pb2_grpc")
    call = getattr(people.stub(getattr(stubs, f"{service.name}Stub"), package, caller), method.name)
    try:
        await await_answer(call(request, timeout=9), method)
    except Refusal as refusal:
        assert refusal.reason, request
        assert "Traceback" not in refusal.message


async def await_answer(call: Any, method: MethodDescriptor) -> None:
    if not method.server_streaming:
        await call
        return
    async for _ in messages_of(call):
        call.cancel()
        return
