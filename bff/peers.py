"""The services behind the edge: one gRPC channel each, and how long a call may take."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

from grpc.aio import Channel

from bff.http.rate_limits import RateLimited, RateLimiter
from bff.settings import Settings
from mesh import calls
from mesh.channels import connect
from mesh.identity import CredentialSource
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub
from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceStub
from tutormesh.learning.v1.learning_pb2_grpc import LearningServiceStub
from tutormesh.payment.v1.link_pb2_grpc import LinkServiceStub
from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceStub
from tutormesh.session.v1.session_pb2_grpc import SessionServiceStub

if TYPE_CHECKING:
    from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceAsyncStub
    from tutormesh.booking.v1.booking_pb2_grpc import BookingServiceAsyncStub
    from tutormesh.learning.v1.learning_pb2_grpc import LearningServiceAsyncStub
    from tutormesh.payment.v1.link_pb2_grpc import LinkServiceAsyncStub
    from tutormesh.payment.v1.payment_pb2_grpc import PaymentServiceAsyncStub
    from tutormesh.session.v1.session_pb2_grpc import SessionServiceAsyncStub
T = TypeVar("T")

#: The RPCs of payment_svc that ask the payment provider something, or may.
PROVIDER_RPCS = frozenset(
    {
        "BookSession",
        "EnrollInCourse",
        "CreatePaymentIntent",
        "CancelBooking",
        "CancelEnrollment",
        "RefreshBooking",
        "HandlePaymentCallback",
    }
)
#: Those that act for whoever holds a link.
LINK_PROVIDER_RPCS = frozenset({"RefreshCheckout", "CancelPurchase"})
#: How many of them one student (or whoever calls) makes: so many at once, then so many a second.
PROVIDER_BURST, PROVIDER_PER_SECOND = 20.0, 1.0
#: Seconds for a read.
READ_SECONDS = 5.0
#: Seconds for what may take longer than a read, because it waits for the payment provider.
BOOK_SECONDS, CANCEL_SECONDS = 8.0, 8.0


def _limit(rpc: Callable[..., T], limiter: RateLimiter) -> Callable[..., T]:
    """The same RPC, counted for whom it is made. Every endpoint calls payment_svc here, so none goes round the limit.

    Raises RateLimited.
    """

    def call(request: Any, *, timeout: float) -> T:
        allowance = limiter.take_token(_counts_for(request))
        if not allowance.is_allowed:
            raise RateLimited("too many bookings, payments or cancellations", retry_after=allowance.retry_after)
        return rpc(request, timeout=timeout)

    return call


def _counts_for(request: Any) -> Hashable:
    """The person who calls, or the link. An admin and a service act for others: there it is whom, else what, they name."""
    person = calls.current().person
    if person and not (person.is_admin or person.is_service):
        return person.id
    names = ("student_id", "booking_id", "enrollment_id", "token")
    return next((value for name in names if (value := getattr(request, name, ""))), None)


class Peers:
    """Typed stubs of every peer. A call does not wait for a connection: it fails at once when the peer is away."""

    availability: AvailabilityServiceAsyncStub
    booking: BookingServiceAsyncStub
    learning: LearningServiceAsyncStub
    link: LinkServiceAsyncStub
    payment: PaymentServiceAsyncStub
    session: SessionServiceAsyncStub

    def __init__(
        self, settings: Settings, credentials: CredentialSource, provider_limiter: RateLimiter | None = None
    ) -> None:
        addresses = {
            "availability": settings.availability_address,
            "booking": settings.booking_address,
            "learning": settings.learning_address,
            "payment": settings.payment_address,
            "session": settings.session_address,
        }
        self.channels: dict[str, Channel] = {
            name: connect(address, credentials, name, connections=settings.peer_connections)
            for name, address in addresses.items()
        }
        self.availability = AvailabilityServiceStub(self.channels["availability"])
        self.booking = BookingServiceStub(self.channels["booking"])
        self.learning = LearningServiceStub(self.channels["learning"])
        self.payment = PaymentServiceStub(self.channels["payment"])
        limiter = provider_limiter or RateLimiter(per_second=PROVIDER_PER_SECOND, burst=PROVIDER_BURST)
        for name in PROVIDER_RPCS:
            setattr(self.payment, name, _limit(getattr(self.payment, name), limiter))
        self.link = LinkServiceStub(self.channels["payment"])
        for name in LINK_PROVIDER_RPCS:
            setattr(self.link, name, _limit(getattr(self.link, name), limiter))
        self.session = SessionServiceStub(self.channels["session"])

    async def __aenter__(self) -> Peers:
        return self

    async def __aexit__(self, *_: object) -> None:
        for channel in self.channels.values():
            await channel.close()
