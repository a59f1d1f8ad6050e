"""Run a command's conversation with the mesh; what goes wrong becomes one line and an exit code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from mesh import calls
from mesh.errors import Refusal
from ops.peers import NoAnswer, Peers, connected
from ops.surroundings import NowhereToAsk, addresses, credentials, environment

T = TypeVar("T")


class Refused(click.ClickException):
    """The mesh understood and refused: one line on standard error, exit 1."""

    exit_code = 1


class Unanswered(click.ClickException):
    """The mesh could not be asked: one line on standard error, exit 2."""

    exit_code = 2


def ask(conversation: Callable[[Peers], Awaitable[T]], *, refused: type[click.ClickException] = Refused) -> T:
    """The outcome of a conversation. Raises `refused` for a refusal, Unanswered for a mesh that does not answer."""
    try:
        return asyncio.run(_connected(conversation))
    except Refusal as refusal:
        raise refused(one_line(f"{refusal.reason}: {refusal.message}")) from None
    except (NoAnswer, NowhereToAsk) as error:
        raise Unanswered(one_line(str(error))) from None


async def _connected(conversation: Callable[[Peers], Awaitable[T]]) -> T:
    environ = environment()
    with calls.background():
        async with connected(addresses(environ), credentials(environ)) as peers:
            return await conversation(peers)


def tell_json(value: Any) -> None:
    """Print for machines."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def one_line(text: str) -> str:
    """Words of another's as one line that cannot steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
