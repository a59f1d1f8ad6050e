"""What payment_svc counts: sagas, events of providers, messages, refunds, reconcile; and the backlog that it has stored."""

from __future__ import annotations

import time

from mesh.metrics.registry import LONG_SECONDS, Words, counter, gauge, histogram
from payment_svc.domain import (
    ENDS,
    Refund,
    RefundStatus,
    Saga,
    SagaError,
    State,
    Transition,
)
from payment_svc.domain.kinds import KINDS

OPEN = gauge(
    "tutormesh_sagas_open",
    "Sagas that have not ended, by kind and state. Every replica shows the same number.",
    ("kind", "state"),
)
PARKED = gauge("tutormesh_sagas_parked", "PARKED sagas, which wait for a person, by the reason of it.", ("reason",))
OLDEST_DUE = gauge(
    "tutormesh_saga_oldest_due_seconds",
    "How long the saga that has been due for longest has waited for a run; 0 when none is.",
)
READ_AT = gauge(
    "tutormesh_backlog_read_timestamp_seconds", "When the gauges that are in the database were last read, Unix time."
)
TRANSITIONS = counter(
    "tutormesh_saga_transitions_total", "Changes of a saga's state, by kind and the state after it.", ("kind", "state")
)
SECONDS = histogram(
    "tutormesh_saga_duration_seconds",
    "How long sagas took from their beginning to their end.",
    ("kind", "state"),
    LONG_SECONDS,
)
SOLD = counter(
    "tutormesh_sold_minor_units_total", "The prices of what was sold, in minor units, by currency.", ("currency",)
)
TAKEN_OVER = counter(
    "tutormesh_saga_takeovers_total",
    "Sagas that this process took over from an owner whose lease had ended.",
    ("kind",),
)
FENCES_LOST = counter(
    "tutormesh_saga_fences_lost_total", "Runs that stopped because another process had taken their saga over."
)
BACKED_OFF = counter(
    "tutormesh_saga_backoffs_total", "Tries of sagas that failed and are repeated, by reason.", ("reason",)
)
RUNS = gauge("tutormesh_saga_runs_in_progress", "Runs of sagas in this process.")
EVENTS = counter(
    "tutormesh_webhook_events_total",
    "Events of providers that were judged, by type and verdict: Apply, Signal, ToInbox, Park or Ignore.",
    ("type", "verdict"),
)
EVENT_LAG = histogram(
    "tutormesh_webhook_lag_seconds",
    "The age of a provider's event when it was applied, or stored for later. By who brought it: webhook or reconcile.",
    ("source",),
    LONG_SECONDS,
)
STORED_EVENTS = gauge(
    "tutormesh_inbox_events",
    "Stored events that are not done, by status: NEWS waits for a run, INBOX for the inbox, PARKED for a person.",
    ("status",),
)
OLDEST_EVENT = gauge(
    "tutormesh_inbox_oldest_seconds", "The age of the oldest stored event that waits for a machine; 0 when none does."
)
MESSAGES = gauge(
    "tutormesh_messages",
    "Messages to people, by channel and status: PENDING, or DEAD for dead letters.",
    ("channel", "status"),
)
MESSAGE_TRIES = counter(
    "tutormesh_message_tries_total",
    "Tries to deliver a message, by channel and outcome: delivered, backs_off or dead.",
    ("channel", "outcome"),
)
REFUNDS = counter(
    "tutormesh_refunds_total",
    "What became of refunds: PENDING, SUCCEEDED or FAILED at the provider, GIVEN_UP each time that a person must decide.",
    ("status",),
)
REFUNDED = counter(
    "tutormesh_refunded_minor_units_total", "Refunds that have succeeded, in minor units, by currency.", ("currency",)
)
PROVIDER_SECONDS = histogram(
    "tutormesh_provider_call_duration_seconds",
    "How long calls of payment providers took, by provider, call and outcome: ok, refused, unknown, unreadable or failed.",
    ("provider", "call", "outcome"),
)
FOUND = counter(
    "tutormesh_reconcile_found_total",
    "What reconcile found that no webhook had told, by stage: waiting, refunds, strays or untold.",
    ("stage",),
)
ROUND_AT = gauge(
    "tutormesh_reconcile_timestamp_seconds", "When this process last ended a round of reconcile, Unix time."
)

#: The stage of reconcile that asks for the provider's events.
UNTOLD = "untold"
# An alert on growth needs the 0 from which a number grows.
for _stage in ("waiting", "refunds", "strays", UNTOLD):
    FOUND.labels(_stage)
for _type in (
    *(
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "refund.created",
        "refund.failed",
        "charge.refunded",
    ),
    *("refund.updated", "charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"),
):
    EVENTS.labels(_type, "Ignore")
for _status in ("PENDING", "SUCCEEDED", "FAILED", "GIVEN_UP"):
    REFUNDS.labels(_status)
for _kind in KINDS:
    TRANSITIONS.labels(_kind.name, State.PARKED.value)
    TAKEN_OVER.labels(_kind.name)

#: Why a saga backs off or is parked.
REASONS = Words()


def note_begun(saga: Saga) -> None:
    """A saga was committed for the first time."""
    TRANSITIONS.labels(saga.kind, saga.state.value).inc()


def note_parked_case(kind: str) -> None:
    """A case was opened that waits for a person."""
    TRANSITIONS.labels(kind, State.PARKED.value).inc()


def note_transition(transition: Transition, after: Saga) -> None:
    """A transition was committed; `after` is the row then."""
    if transition.has_failed:
        _note_back_off(transition.error)
    if transition.state is transition.saga.state:
        return
    TRANSITIONS.labels(after.kind, after.state.value).inc()
    if after.state in ENDS:
        SECONDS.labels(after.kind, after.state.value).observe((after.updated_at - after.created_at).total_seconds())
    if transition.announces is State.COMPLETED and after.price is not None:
        SOLD.labels(after.price.currency).inc(after.price.amount_minor)


def _note_back_off(error: SagaError | None) -> None:
    BACKED_OFF.labels(REASONS.label(error.reason if error else "")).inc()


def note_event(kind: str, verdict: str, created: int, source: str, *, is_untold: bool) -> None:
    """A provider's event of a handled type was judged. `created` is the second in which it was made, Unix time."""
    EVENTS.labels(kind, verdict).inc()
    if verdict == "Ignore":
        return
    if created > 0:
        EVENT_LAG.labels(source).observe(max(0.0, time.time() - created))
    FOUND.labels(UNTOLD).inc(is_untold)


def note_refund(refund: Refund, status: RefundStatus) -> None:
    """What the provider says of a refund was recorded."""
    REFUNDS.labels(status.value).inc()
    if status is RefundStatus.SUCCEEDED:
        REFUNDED.labels(refund.amount.currency).inc(refund.amount.amount_minor)
