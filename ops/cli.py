"""What every command shares: a conversation with the mesh, its errors as exit codes, and output on the terminal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC
from typing import Any, TypeVar

import click
from google.protobuf.timestamp_pb2 import Timestamp

from mesh import calls, clock
from mesh.errors import Refusal
from mesh.money import Money
from ops.environment import MeshUnknown, addresses, credentials, read_environment
from ops.peers import NoAnswer, Peers, open_peers

T = TypeVar("T")


class Refused(click.ClickException):
    """The mesh understood the request and refused it: one line on standard error, exit code 1."""

    exit_code = 1


class Unanswered(click.ClickException):
    """The mesh gave no answer: one line on standard error, exit code 2."""

    exit_code = 2


def call_mesh(conversation: Callable[[Peers], Awaitable[T]], *, refused: type[click.ClickException] = Refused) -> T:
    """Run a conversation with the mesh and return its outcome.

    Raises `refused` when a service refuses, and Unanswered when a service does not answer.
    """
    try:
        return asyncio.run(_converse(conversation))
    except Refusal as refusal:
        raise refused(one_line(f"{refusal.reason}: {refusal.message}")) from None
    except (NoAnswer, MeshUnknown) as error:
        raise Unanswered(one_line(str(error))) from None


async def _converse(conversation: Callable[[Peers], Awaitable[T]]) -> T:
    environ = read_environment()
    with calls.background():
        async with open_peers(addresses(environ), credentials(environ)) as peers:
            return await conversation(peers)


def print_json(value: Any) -> None:
    """Print a value for machines."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows as aligned columns under a line of titles."""
    lines = [titles, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def one_line(text: str) -> str:
    """Text that somebody else wrote, as one line that cannot steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def display(amount_minor: int, currency: str) -> str:
    """The amount for people: "$50.00"; as it came when this command does not know the currency."""
    try:
        return Money(amount_minor, currency).display
    except ValueError:
        return f"{amount_minor} {currency}"


def iso(stamp: Timestamp) -> str:
    """The instant in ISO 8601 and UTC, as exact as it is stored."""
    return clock.iso(stamp.ToDatetime(UTC))
