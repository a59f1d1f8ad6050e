"""What payment_svc says of a purchase, for the tests of its pages."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from tutormesh.common.v1.money_pb2 import Money
from tutormesh.payment.v1 import link_pb2, payment_pb2

TOKEN = "c1.AbC-123_xyz.sig"
BOOKING = "6f1c1f6e-6d0c-4b8e-9a55-0d7a3c2b1a90"
SECRET = "pi_1_secret_hush"
POLICY = [link_pb2.PolicyRule(hours=24, percent=100), link_pb2.PolicyRule(hours=2, percent=50)]


def at(text: str) -> Timestamp:
    stamp = Timestamp()
    stamp.FromJsonString(text)
    return stamp


def lesson(**changed: Any) -> link_pb2.Purchase:
    values: dict[str, Any] = {
        "person": link_pb2.LINK_PERSON_STUDENT,
        "booking_id": BOOKING,
        "tutor_id": "0b5c2c7e-7f3b-4d1c-8b1e-2f7f6d1f1a11",
        "tutor_name": "Mira Kowalski",
        "purpose": "fractions",
        "start_time": at("2030-01-31T09:00:00Z"),
        "end_time": at("2030-01-31T10:00:00Z"),
        "timezone": "Europe/Berlin",
        "price": Money(amount_minor=5000, currency="EUR"),
        "status": link_pb2.PURCHASE_STATUS_PAYMENT_REQUIRED,
        "policy": POLICY,
        "version": 1,
    }
    return link_pb2.Purchase(**values | changed)


def course(**changed: Any) -> link_pb2.Purchase:
    values: dict[str, Any] = {
        "person": link_pb2.LINK_PERSON_STUDENT,
        "enrollment_id": BOOKING,
        "course_id": "0b5c2c7e-7f3b-4d1c-8b1e-2f7f6d1f1a12",
        "course_title": "Fractions & friends",
        "timezone": "UTC",
        "price": Money(amount_minor=12050, currency="USD"),
        "status": link_pb2.PURCHASE_STATUS_PAYMENT_REQUIRED,
        "policy": [link_pb2.PolicyRule(hours=336, percent=100)],
    }
    return link_pb2.Purchase(**values | changed)


def checkout(purchase: link_pb2.Purchase | None = None, **changed: Any) -> link_pb2.OpenCheckoutResponse:
    values: dict[str, Any] = {
        "purchase": purchase or lesson(),
        "seconds_left": 1741.5,
        "client_secret": SECRET,
        "return_url": "https://app.example.org/done",
        "cancel_url": "https://app.example.org/back",
    }
    return link_pb2.OpenCheckoutResponse(checkout=link_pb2.Checkout(**values | changed))


def managed(purchase: link_pb2.Purchase | None = None, **changed: Any) -> link_pb2.OpenPurchaseResponse:
    values: dict[str, Any] = {
        "purchase": purchase or lesson(status=link_pb2.PURCHASE_STATUS_CONFIRMED),
        "meeting_link": "https://meet.example.org/room-nobody-guesses",
        "is_cancellable": True,
        "refund_state": payment_pb2.REFUND_STATE_NONE,
    }
    return link_pb2.OpenPurchaseResponse(**values | changed)
