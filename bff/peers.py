"""The services behind the edge: one gRPC channel each, and how long a call may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc.aio import Channel

from bff.settings import Settings
from mesh.channels import connect
from mesh.identity import CredentialSource
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub
from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceStub
from tutormesh.learning.v1.learning_pb2_grpc import LearningServiceStub
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub
from tutormesh.session.v1.session_pb2_grpc import SessionServiceStub

if TYPE_CHECKING:
    from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceAsyncStub
    from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceAsyncStub
    from tutormesh.learning.v1.learning_pb2_grpc import LearningServiceAsyncStub
    from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceAsyncStub
    from tutormesh.session.v1.session_pb2_grpc import SessionServiceAsyncStub


#: Seconds for a read.
READ_SECONDS = 5.0
#: Seconds for what may take longer than a read, because it waits for the payment provider.
BOOK_SECONDS, CANCEL_SECONDS = 8.0, 8.0


class Peers:
    """Typed stubs of every peer. A call does not wait for a connection: it fails at once when the peer is away."""

    availability: AvailabilityServiceAsyncStub
    booking: BookingServiceAsyncStub
    learning: LearningServiceAsyncStub
    payment: PaymentServiceAsyncStub
    session: SessionServiceAsyncStub

    def __init__(self, settings: Settings, credentials: CredentialSource) -> None:
        self.channels: dict[str, Channel] = {
            "availability": connect(settings.availability_address, credentials),
            "booking": connect(settings.booking_address, credentials),
            "learning": connect(settings.learning_address, credentials),
            "payment": connect(settings.payment_address, credentials),
            "session": connect(settings.session_address, credentials),
        }
        self.availability = AvailabilityServiceStub(self.channels["availability"])
        self.booking = BookingServiceStub(self.channels["booking"])
        self.learning = LearningServiceStub(self.channels["learning"])
        self.payment = PaymentServiceStub(self.channels["payment"])
        self.session = SessionServiceStub(self.channels["session"])

    async def __aenter__(self) -> Peers:
        return self

    async def __aexit__(self, *_: object) -> None:
        for channel in self.channels.values():
            await channel.close()
