"""How messages come into their table: as one more part of the statement that makes them true.

A message has no commit of its own. Where no channel is configured there are no routes, and no row is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from payment_svc.domain import MADE_AT_PROVIDER, Refund, RefundStatus, State, Transition
from payment_svc.domain.messages import (
    REFUND_FAILED,
    REFUND_PAID,
    Audience,
    DeliveryRoute,
    message_id,
    message_type,
    refund_message_id,
)
from payment_svc.store.facts import MESSAGE_DATA

_INTO = "insert into notification (id, channel, audience, type, subject_id, data)"
_ROUTES = """unnest(cast(:channels as text[]), cast(:audiences as text[])) as route (channel, audience)
        where (route.audience <> 'tutor' or s.tutor_id is not null)"""

# Beside `moved`, the saga's new row: how what it sells has ended, on every route.
ANNOUNCE_END = f"""notified as (
        {_INTO}
        select cast(:message_id as uuid), route.channel, route.audience, cast(:message_type as text), s.booking_id,
               {MESSAGE_DATA}
        from moved s cross join {_ROUTES}
        on conflict do nothing
    )"""  # noqa: S608 - constants
# Beside `written`, a refund's row: that it is paid or has failed, on every route.
ANNOUNCE_REFUND = f"""notified as (
        {_INTO}
        select cast(:message_id as uuid), route.channel, route.audience, cast(:message_type as text), s.booking_id,
               {MESSAGE_DATA} || jsonb_build_object('paymentId', r.payment_id, 'refund', jsonb_build_object(
                   'id', r.id, 'amountMinor', r.amount_minor, 'currency', r.currency, 'reason', r.reason))
        from written r join saga s on s.id = r.saga_id cross join {_ROUTES}
        on conflict do nothing
    )"""  # noqa: S608 - constants
_NOTHING: dict[str, Any] = {"message_id": None, "message_type": None, "channels": [], "audiences": []}


def end_values(transition: Transition, routes: Sequence[DeliveryRoute]) -> dict[str, Any]:
    """The values of ANNOUNCE_END."""
    if transition.announces is State.REJECTED:  # a crowd at a slot would be a flood of mail
        routes = [route for route in routes if route.audience is Audience.EVERYBODY]
    if transition.announces is None or not routes:
        return _NOTHING
    kind = message_type(transition.saga, transition.announces)
    return {"message_id": message_id(transition.saga, kind), "message_type": kind, **_each(routes)}


def announce_status(refund: Refund, status: RefundStatus, routes: Sequence[DeliveryRoute]) -> dict[str, Any]:
    """The values of ANNOUNCE_REFUND when a refund gets this status.

    That a refund of ours has failed is told when it is given up, because another try follows. A refund that somebody made
    at the provider is not tried again.
    """
    if status is RefundStatus.SUCCEEDED:
        return refund_values(refund, REFUND_PAID, routes)
    is_undone = refund.reason == MADE_AT_PROVIDER and refund.status is RefundStatus.SUCCEEDED
    has_failed = status is RefundStatus.FAILED and is_undone
    return refund_values(refund, REFUND_FAILED, routes if has_failed else ())


def refund_values(refund: Refund, message_type: str, routes: Sequence[DeliveryRoute]) -> dict[str, Any]:
    """The values of ANNOUNCE_REFUND for a message of this type."""
    if not routes:
        return _NOTHING
    return {"message_id": refund_message_id(refund, message_type), "message_type": message_type, **_each(routes)}


def _each(routes: Sequence[DeliveryRoute]) -> dict[str, list[str]]:
    return {"channels": [route.channel for route in routes], "audiences": [route.audience.value for route in routes]}
