"""`tutormesh saga list | show | retry | resolve`: read sagas, wake them, and resolve parked ones."""

from __future__ import annotations

import re
from typing import Any

import click

from ops.cli import call_mesh, display, iso, one_line, print_json, table
from ops.peers import Peers
from tutormesh.common.v1 import money_pb2, timeline_pb2
from tutormesh.payment.v1 import saga_pb2 as pb

TIMEOUT_SECONDS = 10
RUN_SECONDS = 20
MAX_PER_PAGE = 500
RESOLUTIONS = ("COMPLETED", "CANCELLED", "EXPIRED", "PAYMENT_FAILED", "REFUNDED")
TITLES = ("ID", "KIND", "STATE", "LESSON", "PRICE", "TRIES", "WAKES", "ERROR")
ERROR_WIDTH = 60
Facts = dict[str, Any]


async def fetch_sagas(
    peers: Peers, *, state: str = "", open_only: bool = False, about: str = "", most: int = 50
) -> list[pb.Saga]:
    """At most `most` sagas, newest first. `about` keeps those of the purchases to which an id leads."""
    found: list[pb.Saga] = []
    token = ""
    while len(found) < most:
        size = min(MAX_PER_PAGE, most - len(found))
        request = pb.ListSagasRequest(state=state, open_only=open_only, about=about, page_size=size, page_token=token)
        with peers.calling("payment"):
            page = await peers.sagas.ListSagas(request, timeout=TIMEOUT_SECONDS)
        found.extend(page.sagas)
        token = page.next_page_token
        if not token:
            break
    return found


async def fetch_saga(peers: Peers, saga_id: str) -> pb.GetSagaResponse:
    """One saga with its events. Raises NotFound, BadInput."""
    with peers.calling("payment"):
        return await peers.sagas.GetSaga(pb.GetSagaRequest(saga_id=saga_id), timeout=TIMEOUT_SECONDS)


async def retry_saga(peers: Peers, saga_id: str) -> pb.Saga:
    """Wake a saga, run it, and return it as it is then.

    Raises NotFound, WRONG_STATE, and TryAgain when the run takes longer than the call.
    """
    with peers.calling("payment"):
        return (await peers.sagas.RetrySaga(pb.RetrySagaRequest(saga_id=saga_id), timeout=RUN_SECONDS)).saga


async def resolve_saga(peers: Peers, saga_id: str, state: str, note: str) -> pb.Saga:
    """Close a parked saga in this state, with the person's note. Raises NotFound, WRONG_STATE, BadInput."""
    request = pb.ResolveSagaRequest(saga_id=saga_id, state=state, note=note)
    with peers.calling("payment"):
        return (await peers.sagas.ResolveSaga(request, timeout=TIMEOUT_SECONDS)).saga


@click.group()
def saga() -> None:
    """List, show, retry and resolve sagas."""


@saga.command("list")
@click.option("--state", default="", metavar="STATE", help="Only sagas in this state, such as PARKED.")
@click.option("--open", "open_only", is_flag=True, help="Only sagas that have not ended.")
@click.option("--about", default="", metavar="ID", help="Only those that this id leads to (see `tutormesh find`).")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most this many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_sagas(state: str, open_only: bool, about: str, limit: int, as_json: bool) -> None:
    """List sagas, newest first."""
    found = call_mesh(
        lambda peers: fetch_sagas(peers, state=state.upper(), open_only=open_only, about=about, most=limit)
    )
    if as_json:
        print_json([facts(item) for item in found])
    elif found:
        click.echo(table(TITLES, [row(facts(item)) for item in found]))
    else:
        click.echo("no sagas")


@saga.command()
@click.argument("saga_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(saga_id: str, as_json: bool) -> None:
    """Show one saga and what happened to it."""
    found = call_mesh(lambda peers: fetch_saga(peers, saga_id))
    events = [event_facts(event) for event in found.events]
    if as_json:
        print_json({**facts(found.saga), "events": events})
        return
    click.echo(details(facts(found.saga)))
    click.echo("events")
    for event in events:
        click.echo(one_line(f"  {event['at']}  {event['event']}  {event['detail']}").rstrip())


@saga.command()
@click.argument("saga_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def retry(saga_id: str, as_json: bool) -> None:
    """Wake a saga that is parked or backs off, and its parked events."""
    _print_outcome(call_mesh(lambda peers: retry_saga(peers, saga_id)), as_json)


@saga.command()
@click.argument("saga_id", metavar="ID")
@click.option("--state", type=click.Choice(RESOLUTIONS), required=True, help="The end it is to have.")
@click.option("--note", required=True, help="What you did and why; kept with the saga.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def resolve(saga_id: str, state: str, note: str, yes: bool, as_json: bool) -> None:
    """Close a parked saga after you have put its slot and its money right by hand."""
    if not yes:
        click.confirm(
            f"Close saga {saga_id} as {state}? Nothing else changes: slot and money stay as you left them.",
            abort=True,
            err=True,
        )
    _print_outcome(call_mesh(lambda peers: resolve_saga(peers, saga_id, state, note)), as_json)


def _print_outcome(saga: pb.Saga, as_json: bool) -> None:
    if as_json:
        print_json(facts(saga))
        return
    waits = f", wakes {iso(saga.wake_at)}" if saga.HasField("wake_at") else ""
    because = f" ({saga.error})" if saga.error and not saga.is_complete else ""
    click.echo(one_line(f"{saga.id} is {saga.state}{waits}{because}"))


def facts(saga: pb.Saga) -> Facts:
    """Everything about a saga, for JSON: instants in ISO 8601, None where there is no value."""
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


def details(saga: Facts) -> str:
    """One line for each fact that has a value."""
    width = max(map(len, saga))
    values = {name: price(value) if name in ("price", "refund_due") else value for name, value in saga.items()}
    return "\n".join(one_line(f"{name.ljust(width)}  {value}") for name, value in values.items() if value is not None)


def row(saga: Facts) -> tuple[str, ...]:
    error = one_line(saga["error"] or "")
    sold = saga["start_time"] or f"course {saga['course_id']}"
    cells = (saga["id"], short_kind(saga["kind"]), saga["state"], sold, price(saga["price"]) or "")
    return (
        *cells,
        str(saga["attempt"]),
        saga["wake_at"] or "",
        error if len(error) <= ERROR_WIDTH else f"{error[: ERROR_WIDTH - 1]}…",
    )


def short_kind(kind: str) -> str:
    """The first word of a kind: Book for BookAndPayForSessionSaga, Dispute for DisputeCase."""
    first = re.match("[A-Z][a-z]+", kind)
    return first[0] if first else kind


def price(amount: Facts | None) -> str | None:
    """The amount for people: "$50.00"."""
    return display(amount["amount_minor"], amount["currency"]) if amount else None
