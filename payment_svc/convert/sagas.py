"""Sagas, rounds of reconcile and provider intents ↔ messages of SagaService."""

from __future__ import annotations

from uuid import UUID

from mesh import clock, wire
from mesh.errors import BadInput
from payment_svc.domain import CancelFacts, Intent, ProviderRefund, PurchaseFacts, Saga
from payment_svc.settling.reconcile import Counts, Cursor, Stage
from tutormesh.common.v1 import money_pb2
from tutormesh.payment.v1 import saga_pb2


def encode_saga(value: Saga) -> saga_pb2.Saga:
    error, facts = value.error, value.facts
    was_closed_unpaid = isinstance(facts, PurchaseFacts) and facts.was_closed_unpaid
    return saga_pb2.Saga(
        id=str(value.id),
        kind=value.kind,
        version=value.version,
        state=value.state.value,
        is_complete=value.is_complete,
        student_id=str(value.student_id),
        tutor_id=_id(value.tutor_id),
        booking_id="" if value.course_id else str(value.sold_id),
        session_id=_id(value.session_id),
        payment_id=str(value.payment_id),
        payment_intent_id=value.payment_intent_id or "",
        start_time=clock.to_proto(value.time_slot),
        duration_minutes=value.minutes or 0,
        price=wire.to_money(value.price) if value.price else None,
        attempt=value.attempt,
        error=f"{error.reason}: {error.message}" if error else "",
        wake_at=clock.to_proto(value.wake_at),
        created_at=clock.to_proto(value.created_at),
        updated_at=clock.to_proto(value.updated_at),
        fence=value.fence,
        refund_due=wire.to_money(value.refund_due) if value.refund_due and not was_closed_unpaid else None,
        cancels_saga_id=str(facts.purchase_id) if isinstance(facts, CancelFacts) else "",
        resolved=value.resolution is not None,
        enrollment_id=str(value.sold_id) if value.course_id else "",
        course_id=_id(value.course_id),
    )


def _id(value: UUID | None) -> str:
    return "" if value is None else str(value)


def decode_cursor(token: str) -> Cursor:
    """Where a page of reconcile's round begins. Raises BadInput."""
    stage, _, after = token.partition(":")
    if not token:
        return Cursor()
    if stage not in list(Stage):
        raise BadInput("is no place in a round", field="page_token")
    return Cursor(Stage(stage), wire.optional_uuid(after, "page_token"))


def encode_counts(value: Counts, further: Cursor | None) -> saga_pb2.ReconcileResponse:
    return saga_pb2.ReconcileResponse(
        examined=value.examined,
        moved=value.moved,
        woken=value.woken,
        strays=value.orphaned,
        next_page_token=f"{further.stage}:{further.after or ''}" if further else "",
    )


def encode_intent(value: Intent, refunds: list[ProviderRefund]) -> saga_pb2.ProviderIntent:
    return saga_pb2.ProviderIntent(
        id=value.id,
        status=value.status,
        amount=money_pb2.Money(amount_minor=value.amount, currency=value.currency),
        received_minor=value.received,
        saga_id=str(value.saga_id or ""),
        payment_id=str(value.payment_id or ""),
        refunds=[
            saga_pb2.ProviderRefund(id=item.id, amount_minor=item.amount, status=item.status, refund_id=item.refund_id)
            for item in refunds
        ],
    )
