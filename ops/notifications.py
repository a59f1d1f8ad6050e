"""`tutormesh notifications list | retry`: what people were told, and another try for what was given up."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ops.asking import ask, one_line, tell_json
from ops.peers import Peers
from ops.saga import MOST_PER_PAGE, TIMEOUT_SECONDS, Facts, iso
from tutormesh.payment.v1 import notification_pb2 as pb

TITLES = ("ID", "TYPE", "CHANNEL", "FOR", "STATUS", "TRIES", "SINCE", "ERROR")
_PREFIX = "NOTIFICATION_STATUS_"


async def listed(peers: Peers, *, dead: bool = False, about: str = "", most: int = 50) -> list[pb.Notification]:
    """At most this many messages, newest first: all, or the dead; about everything, or one booking or enrollment."""
    status = pb.NOTIFICATION_STATUS_DEAD if dead else pb.NOTIFICATION_STATUS_UNSPECIFIED
    found: list[pb.Notification] = []
    token = ""
    while len(found) < most:
        size = min(MOST_PER_PAGE, most - len(found))
        request = pb.ListNotificationsRequest(status=status, subject_id=about, page_size=size, page_token=token)
        with peers.asking("payment"):
            page = await peers.notifications.ListNotifications(request, timeout=TIMEOUT_SECONDS)
        found.extend(page.notifications)
        token = page.next_page_token
        if not token:
            break
    return found


async def retried(peers: Peers, message_id: str) -> int:
    """On how many ways a message (or "": every dead one) is tried again. Raises NotFound, WRONG_STATE, BadInput."""
    request = pb.RetryNotificationsRequest(notification_id=message_id)
    with peers.asking("payment"):
        return (await peers.notifications.RetryNotifications(request, timeout=TIMEOUT_SECONDS)).retried


@click.group()
def notifications() -> None:
    """List what people were told, and retry what was given up."""


@notifications.command("list")
@click.option("--dead", is_flag=True, help="Only what was given up.")
@click.option("--about", default="", metavar="ID", help="Only about this booking or enrollment.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most this many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_notifications(dead: bool, about: str, limit: int, as_json: bool) -> None:
    """List messages, newest first: one line for each way on which one is sent."""
    found = [facts(item) for item in ask(lambda peers: listed(peers, dead=dead, about=about, most=limit))]
    if as_json:
        tell_json(found)
    else:
        click.echo(table(found) if found else "no notifications")


@notifications.command()
@click.argument("message_id", metavar="ID", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything that was given up, at most 1000 at once.")
def retry(message_id: str | None, everything: bool) -> None:
    """Try again what was given up: one message, or everything."""
    if (message_id is None) is not everything:
        raise click.UsageError("name one message, or say --all")
    click.echo(f"retrying {ask(lambda peers: retried(peers, message_id or ''))}")


def facts(message: pb.Notification) -> Facts:
    """Everything about a message on one way, for JSON."""
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


def table(messages: Sequence[Facts]) -> str:
    """One line per message and way, under a line of titles."""
    keys = ("id", "type", "channel", "audience", "status", "attempt", "created_at", "error")
    rows = [TITLES, *(tuple(one_line(str(each[key] or "")) for key in keys) for each in messages)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
