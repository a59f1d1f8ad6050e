"""`tutormesh notifications list | retry`: the messages about sales, and another try for dead letters."""

from __future__ import annotations

from typing import Any

import click

from ops.cli import call_mesh, iso, one_line, print_json, table
from ops.peers import Peers
from tutormesh.payment.v1 import notification_pb2 as pb

TIMEOUT_SECONDS = 10
MAX_PER_PAGE = 500
TITLES = ("ID", "TYPE", "CHANNEL", "FOR", "STATUS", "TRIES", "SINCE", "ERROR")
_KEYS = ("id", "type", "channel", "audience", "status", "attempt", "created_at", "error")
_PREFIX = "NOTIFICATION_STATUS_"
Facts = dict[str, Any]


async def fetch_notifications(
    peers: Peers, *, dead: bool = False, about: str = "", most: int = 50
) -> list[pb.Notification]:
    """At most `most` messages, newest first.

    `dead` keeps the dead letters alone. `about` keeps the messages about one booking or enrollment.
    """
    status = pb.NOTIFICATION_STATUS_DEAD if dead else pb.NOTIFICATION_STATUS_UNSPECIFIED
    found: list[pb.Notification] = []
    token = ""
    while len(found) < most:
        size = min(MAX_PER_PAGE, most - len(found))
        request = pb.ListNotificationsRequest(status=status, subject_id=about, page_size=size, page_token=token)
        with peers.calling("payment"):
            page = await peers.notifications.ListNotifications(request, timeout=TIMEOUT_SECONDS)
        found.extend(page.notifications)
        token = page.next_page_token
        if not token:
            break
    return found


async def retry_notifications(peers: Peers, message_id: str) -> int:
    """Try a dead letter again, or all of them for "". Returns on how many delivery routes.

    Raises NotFound, WRONG_STATE, BadInput.
    """
    request = pb.RetryNotificationsRequest(notification_id=message_id)
    with peers.calling("payment"):
        return (await peers.notifications.RetryNotifications(request, timeout=TIMEOUT_SECONDS)).retried


@click.group()
def notifications() -> None:
    """List the messages to people, and retry those that were given up."""


@notifications.command("list")
@click.option("--dead", is_flag=True, help="Only messages that were given up.")
@click.option("--about", default="", metavar="ID", help="Only about this booking or enrollment.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most this many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_notifications(dead: bool, about: str, limit: int, as_json: bool) -> None:
    """List messages, newest first: one line per message and delivery route."""
    found = call_mesh(lambda peers: fetch_notifications(peers, dead=dead, about=about, most=limit))
    messages = [facts(item) for item in found]
    if as_json:
        print_json(messages)
    else:
        click.echo(table(TITLES, [_row(message) for message in messages]) if messages else "no notifications")


@notifications.command()
@click.argument("message_id", metavar="ID", required=False)
@click.option("--all", "everything", is_flag=True, help="Every message that was given up, at most 1000 at once.")
def retry(message_id: str | None, everything: bool) -> None:
    """Try again to send what was given up: one message, or every message."""
    if (message_id is None) is not everything:
        raise click.UsageError("name one message, or say --all")
    click.echo(f"retrying {call_mesh(lambda peers: retry_notifications(peers, message_id or ''))}")


def facts(message: pb.Notification) -> Facts:
    """Everything about a message on one delivery route, for JSON."""
    return {
        "id": message.id,
        "type": message.type,
        "subject_id": message.subject_id,
        "channel": message.channel,
        "audience": message.audience,
        "status": pb.NotificationStatus.Name(message.status).removeprefix(_PREFIX),
        "attempt": message.attempt,
        "error": message.error or None,
        "wake_at": iso(message.wake_at) if message.HasField("wake_at") else None,
        "created_at": iso(message.created_at),
    }


def _row(message: Facts) -> tuple[str, ...]:
    return tuple(one_line(str(message[key] or "")) for key in _KEYS)
