"""Rows → domain objects."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from mesh.database import Row
from mesh.money import Money
from payment_svc.domain import DeclineReason, Payment, PaymentStatus, Refund, RefundState, RefundStatus, Saga, State
from payment_svc.store.facts import decode_error, decode_facts, decode_parked_from, decode_resolution


def loads(value: Any) -> Any:
    """A jsonb value. The driver gives text for a column of a textual statement."""
    return json.loads(value) if isinstance(value, str) else value


def to_saga(row: Row) -> Saga:
    context = loads(row.context)
    return Saga(
        id=row.id,
        kind=row.kind,
        version=row.version,
        state=State(row.state),
        student_id=row.student_id,
        tutor_id=row.tutor_id,
        time_slot=row.time_slot,
        minutes=row.minutes,
        sold_id=row.booking_id,
        session_id=row.session_id,
        payment_id=row.payment_id,
        payment_intent_id=row.payment_intent_id,
        facts=decode_facts(row.kind, context),
        fence=row.fence,
        signals=row.news,
        attempt=row.attempt,
        error=decode_error(loads(row.error)),
        is_complete=row.is_complete,
        request_hash=row.request_hash,
        lease_owner=row.lease_owner,
        lease_until=row.lease_until,
        wake_at=row.wake_at,
        hold_ends=row.hold_ends,
        state_since=row.state_since,
        created_at=row.created_at,
        updated_at=row.updated_at,
        loaded_at=row.loaded_at,
        course_id=row.course_id,
        parked_from=decode_parked_from(context),
        resolution=decode_resolution(context),
        looked_at=row.looked_at,
        seen_paid=row.seen_paid,
        traceparent=row.traceparent,
    )


def to_payment(row: Row, refunds: tuple[Refund, ...] = ()) -> Payment:
    return Payment(
        id=row.id,
        saga_id=row.saga_id,
        sold_id=row.booking_id,
        session_id=row.session_id,
        student_id=row.student_id,
        tutor_id=row.tutor_id,
        amount=Money(row.amount_minor, row.currency),
        stored_status=PaymentStatus(row.status),
        context=row.context,
        context_id=row.context_id,
        intent_id=row.payment_intent_id,
        received_minor=row.received_minor,
        disputed=row.disputed,
        created_at=row.created_at,
        refunded_minor=int(row.refunded_minor),
        pending_minor=int(row.pending_minor),
        refund_state=_refund_state(row),
        charged_back=row.charged_back,
        declined=row.declined,
        known_reason=DeclineReason(row.decline_reason) if row.decline_reason else None,
        provider=row.provider,
        refunds=refunds,
        provider_session_id=row.provider_session_id or "",
        payment_url=row.payment_url or "",
        payable_until=datetime.fromisoformat(row.payable_until) if row.payable_until else None,
    )


def _refund_state(row: Row) -> RefundState:
    """How far the money of a payment is on its way back. What a person must decide comes before everything else."""
    if row.needs_review:
        return RefundState.NEEDS_REVIEW
    if row.pending_minor:
        return RefundState.PENDING
    if row.latest_refund is None:
        return RefundState.NONE
    return RefundState.PAID if row.latest_refund == RefundStatus.SUCCEEDED else RefundState.FAILED


def to_refund(row: Row, *, is_new: bool = False) -> Refund:
    return Refund(
        id=UUID(str(row.id)),
        payment_id=row.payment_id,
        saga_id=row.saga_id,
        payment_intent_id=row.payment_intent_id,
        amount=Money(row.amount_minor, row.currency),
        status=RefundStatus(row.status),
        reason=row.reason,
        provider_refund_id=row.provider_refund_id,
        told_as=row.told_as,
        is_new=is_new,
    )
