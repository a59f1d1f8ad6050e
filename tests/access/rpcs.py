"""Every RPC of the mesh, read from the descriptors; and a way to call one by its name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from mesh.channels import messages
from mesh.errors import Refusal
from tests.access.table import NOTHING, OK
from tests.people import People

#: The process that serves each service, and the proto file that describes it.
SERVICES = {
    "AvailabilityService": ("availability", "availability"),
    "BookingService": ("booking", "booking"),
    "LearningService": ("learning", "learning"),
    "LinkService": ("payment", "link"),
    "NotificationService": ("payment", "notification"),
    "PaymentService": ("payment", "payment"),
    "SagaService": ("payment", "saga"),
    "SessionService": ("session", "session"),
}


@cache
def rpcs() -> dict[str, MethodDescriptor]:
    """The descriptor of each RPC, by "Service.Method"."""
    found = {}
    for service, (package, file) in SERVICES.items():
        described = import_module(f"tutormesh.{package}.v1.{file}_pb2").DESCRIPTOR.services_by_name[service]
        found |= {f"{service}.{method.name}": method for method in described.methods}
    return found


def stub(people: People, service: str, caller: str, person: str | None = None) -> Any:
    """A stub of a service, called by another service on behalf of a person."""
    package, file = SERVICES[service]
    kind = getattr(import_module(f"tutormesh.{package}.v1.{file}_pb2_grpc"), f"{service}Stub")
    return people.stub(kind, package, caller, person)


async def call_as(
    people: People, name: str, request: Message | None, caller: str, person: str | None = None
) -> tuple[str, str]:
    """Call an RPC. Returns OK, NOTHING or the reason of the refusal, and the refusal's message.

    Without a request, an empty one is sent.
    """
    service, _, method = name.partition(":")[0].partition(".")
    described = rpcs()[f"{service}.{method}"]
    package, file = SERVICES[service]
    if request is None:
        request = getattr(import_module(f"tutormesh.{package}.v1.{file}_pb2"), described.input_type.name)()
    call = getattr(stub(people, service, caller, person), method)(request, timeout=9)
    try:
        if described.server_streaming:
            answer = await anext(aiter(messages(call)))
            call.cancel()
        else:
            answer = await call
    except Refusal as refusal:
        return refusal.reason, refusal.message
    return (OK if _has_something(answer) else NOTHING), ""


def _has_something(answer: Message) -> bool:
    """False when an answer has lists and all of them are empty."""
    lists = [field for field in answer.DESCRIPTOR.fields if field.is_repeated]
    return not lists or any(getattr(answer, field.name) for field in lists)
