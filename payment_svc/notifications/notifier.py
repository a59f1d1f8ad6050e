"""The port: a channel that tells people, or a system that speaks to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from payment_svc.domain.messages import Audience, DeliveryRoute, Message

#: Gives the link by which the person of a message manages the purchase: the same at each try of a message, empty when
#: there is none. Channels call it when they send, because the link is a secret that no row may hold.
ManageUrl = Callable[[Message], str]


def link_nowhere(_: Message) -> str:
    """Without an address for pages there are no links."""
    return ""


def for_person(message: Message, audience: Audience) -> Message:
    """The message as it goes to one of its people on the same channel."""
    return replace(message, route=DeliveryRoute(message.route.channel, audience))


class NotDelivered(Exception):
    """The message was not taken. The words say why, without any address, secret or content.

    `definite`: the next try would get the same answer.
    """

    def __init__(self, words: str, *, definite: bool = False) -> None:
        self.definite = definite
        super().__init__(words)


class Notifier(Protocol):
    """A channel. It wants one message for each of its `audiences`. One try takes at most `timeout` seconds."""

    @property
    def channel(self) -> str: ...

    @property
    def audiences(self) -> tuple[Audience, ...]: ...

    @property
    def timeout(self) -> float: ...

    async def send(self, message: Message) -> None:
        """Returns once the message has been taken. Raises NotDelivered within `timeout`."""

    async def close(self) -> None: ...
