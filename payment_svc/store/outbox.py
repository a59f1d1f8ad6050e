"""How messages come into the table: as one more part of the statement that makes them true.

No commit of their own, and nothing at all where no channel is configured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from payment_svc.domain import Move, Refund
from payment_svc.domain.messages import REFUND_PAID, Lane, id_of, refund_paid_id, type_of

# What everybody is told about the purchase in saga row `s`, in the names of the API.
_FACTS = """jsonb_strip_nulls(jsonb_build_object(
        'bookingId', case when s.course_id is null then s.booking_id end,
        'enrollmentId', case when s.course_id is not null then s.booking_id end,
        'sessionId', s.session_id,
        'courseId', coalesce(cast(s.course_id as text), s.context ->> 'course_id'),
        'studentId', s.student_id,
        'tutorId', s.tutor_id,
        'startTime', to_char(s.time_slot at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'durationMinutes', s.minutes,
        'price', jsonb_build_object('amountMinor', s.context #> '{price,amount_minor}',
                                    'currency', s.context #> '{price,currency}'),
        'cancelledBy', s.context #> '{cancel,by}',
        'refundDue', case when cast(s.context #>> '{cancel,refund_minor}' as bigint) > 0 then
            jsonb_build_object('amountMinor', s.context #> '{cancel,refund_minor}',
                               'currency', s.context #> '{price,currency}') end))"""
_INTO = "insert into notification (id, channel, audience, type, subject_id, data)"
_LANES = """unnest(cast(:channels as text[]), cast(:audiences as text[])) as lane (channel, audience)
        where (lane.audience <> 'tutor' or s.tutor_id is not null)"""

#: After `moved`, the saga's row as it is now.
TELL_OF_MOVE = f""", notified as (
        {_INTO}
        select cast(:notice_id as uuid), lane.channel, lane.audience, cast(:notice_type as text), s.booking_id, {_FACTS}
        from moved s cross join {_LANES}
        on conflict do nothing
    )"""  # noqa: S608 - constants
#: After `written`, a refund's row as it is now.
TELL_OF_REFUND = f""", notified as (
        {_INTO}
        select cast(:notice_id as uuid), lane.channel, lane.audience, cast(:notice_type as text), s.booking_id,
               {_FACTS} || jsonb_build_object('paymentId', r.payment_id, 'refund', jsonb_build_object(
                   'id', r.id, 'amountMinor', r.amount_minor, 'currency', r.currency, 'reason', r.reason))
        from written r join saga s on s.id = r.saga_id cross join {_LANES} and r.status = 'SUCCEEDED'
        on conflict do nothing
    )"""  # noqa: S608 - constants


def of_move(move: Move, lanes: Sequence[Lane]) -> dict[str, Any]:
    """The values of TELL_OF_MOVE; empty when there is nothing to tell, or nobody to be told."""
    if move.tells is None or not lanes:
        return {}
    notice_type = type_of(move.saga, move.tells)
    return {"notice_id": id_of(move.saga, notice_type), "notice_type": notice_type, **_lanes(lanes)}


def of_refund(refund: Refund, lanes: Sequence[Lane]) -> dict[str, Any]:
    """The values of TELL_OF_REFUND; empty when there is nobody to be told."""
    return {"notice_id": refund_paid_id(refund), "notice_type": REFUND_PAID, **_lanes(lanes)} if lanes else {}


def _lanes(lanes: Sequence[Lane]) -> dict[str, list[str]]:
    return {"channels": [lane.channel for lane in lanes], "audiences": [lane.audience.value for lane in lanes]}
