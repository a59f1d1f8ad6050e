"""/api/v1/enrollments: take a seat in a course, see it, give it back."""

from __future__ import annotations

import contextlib

from starlette.responses import Response

from bff.http import envelope
from bff.payment_refusal import payment_refusal
from bff.peers import BOOK_SECONDS, CANCEL_SECONDS, READ_SECONDS
from bff.rest.course_shapes import ENROLLMENT, Seat, enrollment_status
from bff.rest.endpoints import ANYBODY, Endpoint, RestRequest
from bff.rest.engines import read_engine, read_report
from bff.rest.fields import Fields
from bff.rest.operations import IDEMPOTENCY_KEY, describe, in_path
from bff.rest.shapes import amount, to_json
from mesh import wire
from mesh.errors import BadInput, NotFound
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2

PATH = "/api/v1/enrollments"
NAMES = {
    "student_id": "student_uuid",
    "course_id": "course_uuid",
    "idempotency_key": "Idempotency-Key",
    "price": "price_amount",
    "expected_price": "price_amount",
    "enrollment_id": "uuid",
    "booking_id": "uuid",
}
BUYERS, SERVICES = frozenset({"student", "service"}), frozenset({"service"})


async def enroll(request: RestRequest) -> Response:
    """200 with the enrollment to pay for. A repeated request gets it as it is now; its message says what became of it.

    409 with the enrollment when it ended at once because the provider refused its payment.
    """
    order = _read_order(request.read_body(), request.idempotency_key())
    reply = await request.peers.payment.EnrollInCourse(order, timeout=BOOK_SECONDS)
    seat = await _find(request, reply.enrollment_id)
    data = to_json(ENROLLMENT, seat) | {"client_secret": reply.client_secret or None}
    refusal = payment_refusal(reply)
    if refusal is not None:
        return envelope.refusal(refusal, NAMES, data)
    message = _describe(reply.saga_state, seat.enrollment.status)
    return envelope.success(message, data, {"location": f"{PATH}/{seat.enrollment.id}"})


async def show(request: RestRequest) -> Response:
    """200 with the enrollment."""
    seat = await _find(request, request.path_uuid("uuid"))
    return envelope.success("the enrollment", to_json(ENROLLMENT, seat))


async def cancel(request: RestRequest) -> Response:
    """200 with the cancelled enrollment and its refund. A repeat gets the same answer."""
    fields = request.read_body(may_be_empty=True)
    enrollment_id, quote = request.path_uuid("uuid"), fields.optional_text("quote_token")
    if quote == "":
        raise BadInput("must not be empty", field="quote_token")
    order = payment_pb2.CancelEnrollmentRequest(
        enrollment_id=enrollment_id, quote_token=quote or "", reason=fields.optional_text("reason") or ""
    )
    reply = await request.peers.payment.CancelEnrollment(order, timeout=CANCEL_SECONDS)
    refund = {"refund_amount": amount(reply.refund), "refund_currency": reply.refund.currency}
    seat = await _find(request, enrollment_id)
    return envelope.success("the enrollment is cancelled", to_json(ENROLLMENT, seat) | refund)


async def handle_payment_callback(request: RestRequest) -> Response:
    """200 once the payment engine's report is stored, with the enrollment as it is then."""
    fields, enrollment_id = request.read_body(), request.path_uuid("uuid")
    await request.peers.payment.HandlePaymentCallback(read_report(fields, enrollment_id), timeout=BOOK_SECONDS)
    return envelope.success("the report is kept", to_json(ENROLLMENT, await _find(request, enrollment_id)))


def _read_order(fields: Fields, key: str) -> payment_pb2.EnrollInCourseRequest:
    """The seat that was ordered, at the price that its student was shown, if the client names one."""
    order = payment_pb2.EnrollInCourseRequest(
        student_id=fields.uuid("student_uuid"),
        course_id=fields.uuid("course_uuid"),
        idempotency_key=key,
        return_url=fields.optional_text("return_url") or "",
        cancel_url=fields.optional_text("cancel_url") or "",
    )
    _, order.payment_engine_name = read_engine(fields)
    if any(fields.values.get(name) is not None for name in ("price_amount", "currency")):
        order.expected_price.CopyFrom(wire.to_money(fields.money("price_amount", fields.currency("currency"))))
    return order


def _describe(saga_state: str, status: learning_pb2.EnrollmentStatus.ValueType) -> str:
    if status not in _LIVE:
        return f"the enrollment has ended: {enrollment_status(status)}"
    return "the enrollment is ending" if saga_state == "COMPENSATING" else "the seat is taken"


async def _find(request: RestRequest, enrollment_id: str) -> Seat:
    """The enrollment with its payment. Raises NotFound."""
    wanted = learning_pb2.GetEnrollmentRequest(enrollment_id=enrollment_id)
    enrollment = (await request.peers.learning.GetEnrollment(wanted, timeout=READ_SECONDS)).enrollment
    return Seat(enrollment, await _find_payment(request, enrollment.payment_id))


async def _find_payment(request: RestRequest, payment_id: str) -> payment_pb2.Payment | None:
    if not payment_id:
        return None
    wanted = payment_pb2.GetPaymentRequest(payment_id=payment_id)
    with contextlib.suppress(NotFound):  # it was never opened
        return (await request.peers.payment.GetPayment(wanted, timeout=READ_SECONDS)).payment
    return None


_LIVE = (learning_pb2.ENROLLMENT_STATUS_PAYMENT_REQUIRED, learning_pb2.ENROLLMENT_STATUS_ACTIVE)
_UUID = in_path("uuid", "The enrollment.")
_ENROLL = describe("enroll", "Take a seat in a course", IDEMPOTENCY_KEY, body="NewEnrollment", answer="EnrollmentToPay")
_SHOW = describe("enrollment", "An enrollment", _UUID, answer="Enrollment")
_CANCEL = describe(
    "cancelEnrollment",
    "Cancel an enrollment",
    _UUID,
    body="Cancellation",
    body_required=False,
    answer="CancelledEnrollment",
)
_REPORT = describe("reportEnrollment", "A payment provider reports", _UUID, body="Report", answer="Enrollment")
ENDPOINTS = (
    Endpoint("POST", PATH, BUYERS, enroll, _ENROLL, NAMES),
    Endpoint("GET", f"{PATH}/{{uuid}}", ANYBODY, show, _SHOW, NAMES),
    Endpoint("POST", f"{PATH}/{{uuid}}/cancel", ANYBODY, cancel, _CANCEL, NAMES),
    Endpoint("POST", f"{PATH}/{{uuid}}/payment-callback", SERVICES, handle_payment_callback, _REPORT, NAMES),
)
