"""`tutormesh saga list | show | retry | resolve`: what the sagas do, and the operator's word on them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from typing import Any

import click
from google.protobuf.timestamp_pb2 import Timestamp

from mesh import clock
from ops.asking import ask, one_line, tell_json
from ops.peers import Peers
from tutormesh.common.v1 import money_pb2, timeline_pb2
from tutormesh.payment.v1 import saga_pb2 as pb

TIMEOUT_SECONDS = 10
DRIVE_SECONDS = 20
MOST_PER_PAGE = 500
RESOLUTIONS = ("COMPLETED", "CANCELLED", "EXPIRED", "PAYMENT_FAILED", "REFUNDED")
ERROR_WIDTH = 60
Facts = dict[str, Any]


async def listed(peers: Peers, *, state: str = "", open_only: bool = False, most: int = 50) -> list[pb.Saga]:
    """At most this many sagas, newest first."""
    found: list[pb.Saga] = []
    token = ""
    while len(found) < most:
        request = pb.ListSagasRequest(
            state=state, open_only=open_only, page_size=min(MOST_PER_PAGE, most - len(found)), page_token=token
        )
        with peers.asking("payment"):
            page = await peers.sagas.ListSagas(request, timeout=TIMEOUT_SECONDS)
        found.extend(page.sagas)
        token = page.next_page_token
        if not token:
            break
    return found


async def shown(peers: Peers, saga_id: str) -> pb.GetSagaResponse:
    """One saga with its events. Raises NotFound, BadInput."""
    with peers.asking("payment"):
        return await peers.sagas.GetSaga(pb.GetSagaRequest(saga_id=saga_id), timeout=TIMEOUT_SECONDS)


async def retried(peers: Peers, saga_id: str) -> pb.Saga:
    """The saga after it was woken and driven. Raises NotFound, WRONG_STATE, TryAgain when the drive takes longer."""
    with peers.asking("payment"):
        return (await peers.sagas.RetrySaga(pb.RetrySagaRequest(saga_id=saga_id), timeout=DRIVE_SECONDS)).saga


async def resolved(peers: Peers, saga_id: str, state: str, note: str) -> pb.Saga:
    """The parked saga closed by a person's word. Raises NotFound, WRONG_STATE, BadInput."""
    request = pb.ResolveSagaRequest(saga_id=saga_id, state=state, note=note)
    with peers.asking("payment"):
        return (await peers.sagas.ResolveSaga(request, timeout=TIMEOUT_SECONDS)).saga


@click.group()
def saga() -> None:
    """List, show, retry and resolve sagas."""


@saga.command("list")
@click.option("--state", default="", metavar="STATE", help="Only sagas in this state, such as PARKED.")
@click.option("--open", "open_only", is_flag=True, help="Only sagas that have not ended.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most this many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_sagas(state: str, open_only: bool, limit: int, as_json: bool) -> None:
    """List sagas, newest first."""
    found = ask(lambda peers: listed(peers, state=state.upper(), open_only=open_only, most=limit))
    if as_json:
        tell_json([facts(item) for item in found])
    elif found:
        click.echo(table([facts(item) for item in found]))
    else:
        click.echo("no sagas")


@saga.command()
@click.argument("saga_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(saga_id: str, as_json: bool) -> None:
    """Show one saga and what happened to it."""
    found = ask(lambda peers: shown(peers, saga_id))
    events = [event_facts(event) for event in found.events]
    if as_json:
        tell_json({**facts(found.saga), "events": events})
        return
    click.echo(page(facts(found.saga)))
    click.echo("events")
    for event in events:
        click.echo(one_line(f"  {event['at']}  {event['event']}  {event['detail']}").rstrip())


@saga.command()
@click.argument("saga_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def retry(saga_id: str, as_json: bool) -> None:
    """Wake a saga that is parked or backs off, and its parked events."""
    _tell_outcome(ask(lambda peers: retried(peers, saga_id)), as_json)


@saga.command()
@click.argument("saga_id", metavar="ID")
@click.option("--state", type=click.Choice(RESOLUTIONS), required=True, help="The end it is to have.")
@click.option("--note", required=True, help="What you did and why; kept with the saga.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def resolve(saga_id: str, state: str, note: str, yes: bool, as_json: bool) -> None:
    """Close a parked saga whose slot and money you have settled by hand."""
    if not yes:
        click.confirm(
            f"Close saga {saga_id} as {state}? Nothing else changes: slot and money stay as you left them.",
            abort=True,
            err=True,
        )
    _tell_outcome(ask(lambda peers: resolved(peers, saga_id, state, note)), as_json)


def _tell_outcome(saga: pb.Saga, as_json: bool) -> None:
    if as_json:
        tell_json(facts(saga))
        return
    waits = f", wakes {iso(saga.wake_at)}" if saga.HasField("wake_at") else ""
    because = f" ({saga.error})" if saga.error and not saga.is_complete else ""
    click.echo(one_line(f"{saga.id} is {saga.state}{waits}{because}"))


def facts(saga: pb.Saga) -> Facts:
    """Everything about a saga, for JSON: instants in ISO 8601, absent things None."""
    return {
        "id": saga.id,
        "kind": saga.kind,
        "version": saga.version,
        "state": saga.state,
        "is_complete": saga.is_complete,
        "student_id": saga.student_id,
        "tutor_id": saga.tutor_id or None,
        "booking_id": saga.booking_id or None,
        "session_id": saga.session_id or None,
        "payment_id": saga.payment_id,
        "payment_intent_id": saga.payment_intent_id or None,
        "start_time": iso(saga.start_time) if saga.HasField("start_time") else None,
        "duration_minutes": saga.duration_minutes or None,
        "enrollment_id": saga.enrollment_id or None,
        "course_id": saga.course_id or None,
        "price": _money(saga.price) if saga.HasField("price") else None,
        "refund_due": _money(saga.refund_due) if saga.HasField("refund_due") else None,
        "cancels_saga_id": saga.cancels_saga_id or None,
        "resolved": saga.resolved or None,
        "attempt": saga.attempt,
        "error": saga.error or None,
        "wake_at": iso(saga.wake_at) if saga.HasField("wake_at") else None,
        "created_at": iso(saga.created_at),
        "updated_at": iso(saga.updated_at),
        "fence": saga.fence,
    }


def _money(amount: money_pb2.Money) -> Facts:
    return {"amount_minor": amount.amount_minor, "currency": amount.currency}


def event_facts(event: timeline_pb2.TimelineEntry) -> Facts:
    return {"at": iso(event.at), "event": event.event, "detail": event.detail}


def iso(stamp: Timestamp) -> str:
    """ISO 8601 in UTC, to the second or as exact as it is."""
    return clock.iso(stamp.ToDatetime(UTC))


def table(sagas: Sequence[Facts]) -> str:
    """One line per saga under a line of titles."""
    titles = ("ID", "KIND", "STATE", "LESSON", "PRICE", "TRIES", "WAKES", "ERROR")
    rows = [titles, *(_row(saga) for saga in sagas)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def page(saga: Facts) -> str:
    """One line per fact that there is."""
    width = max(map(len, saga))
    told = {name: price(value) if name in ("price", "refund_due") else value for name, value in saga.items()}
    return "\n".join(one_line(f"{name.ljust(width)}  {value}") for name, value in told.items() if value is not None)


def _row(saga: Facts) -> tuple[str, ...]:
    error = one_line(saga["error"] or "")
    sold = saga["start_time"] or f"course {saga['course_id']}"
    cells = (saga["id"], short(saga["kind"]), saga["state"], sold, price(saga["price"]) or "")
    return (
        *cells,
        str(saga["attempt"]),
        saga["wake_at"] or "",
        error if len(error) <= ERROR_WIDTH else f"{error[: ERROR_WIDTH - 1]}…",
    )


def short(kind: str) -> str:
    """The first word of a kind: Book of BookAndPayForSessionSaga, Cancel of CancelBookingSaga, Dispute of DisputeCase."""
    first = re.match("[A-Z][a-z]+", kind)
    return first[0] if first else kind


def price(amount: Facts | None) -> str | None:
    return f"{amount['amount_minor']} {amount['currency']}" if amount else None
