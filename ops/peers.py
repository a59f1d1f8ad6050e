"""The services that an operator's command calls."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from mesh.channels import connect
from mesh.errors import CallFailed
from mesh.identity import CredentialSource
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub
from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceStub
from tutormesh.learning.v1.learning_pb2_grpc import LearningServiceStub
from tutormesh.payment.v1.notification_pb2_grpc import NotificationServiceStub
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub
from tutormesh.payment.v1.saga_pb2_grpc import SagaServiceStub
from tutormesh.session.v1.session_pb2_grpc import SessionServiceStub

if TYPE_CHECKING:  # these names are in the type stubs only
    from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceAsyncStub
    from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceAsyncStub
    from tutormesh.learning.v1.learning_pb2_grpc import LearningServiceAsyncStub
    from tutormesh.payment.v1.notification_pb2_grpc import NotificationServiceAsyncStub
    from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceAsyncStub
    from tutormesh.payment.v1.saga_pb2_grpc import SagaServiceAsyncStub
    from tutormesh.session.v1.session_pb2_grpc import SessionServiceAsyncStub

SERVICES = ("availability", "booking", "learning", "payment", "session")


class NoAnswer(Exception):
    """A service gave no answer; the message names the service and its address."""


@dataclass(frozen=True, slots=True)
class Peers:
    """Stubs of the services, and each service's address by its name."""

    addresses: Mapping[str, str]
    availability: AvailabilityServiceAsyncStub
    booking: BookingServiceAsyncStub
    learning: LearningServiceAsyncStub
    payment: PaymentServiceAsyncStub
    sagas: SagaServiceAsyncStub
    notifications: NotificationServiceAsyncStub
    session: SessionServiceAsyncStub

    @contextlib.contextmanager
    def calling(self, service: str) -> Iterator[None]:
        """Wrap a call of this service: a failure without a reason of the mesh's becomes NoAnswer."""
        try:
            yield
        except CallFailed as error:
            hint = "; is the mesh running?" if error.status_code is grpc.StatusCode.UNAVAILABLE else ""
            message = f"{service} at {self.addresses[service]} gave no answer ({error.status_code.name}){hint}"
            raise NoAnswer(message) from error


@contextlib.asynccontextmanager
async def open_peers(addresses: Mapping[str, str], credentials: CredentialSource) -> AsyncIterator[Peers]:
    """Open channels to these addresses, "host:port" by each name of SERVICES. The first call connects, not this."""
    async with contextlib.AsyncExitStack() as stack:
        channels = {
            name: await stack.enter_async_context(connect(addresses[name], credentials, name)) for name in SERVICES
        }
        yield Peers(
            addresses=addresses,
            availability=AvailabilityServiceStub(channels["availability"]),
            booking=BookingServiceStub(channels["booking"]),
            learning=LearningServiceStub(channels["learning"]),
            payment=PaymentServiceStub(channels["payment"]),
            sagas=SagaServiceStub(channels["payment"]),
            notifications=NotificationServiceStub(channels["payment"]),
            session=SessionServiceStub(channels["session"]),
        )
