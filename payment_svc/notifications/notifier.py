"""The port: a channel that tells people, or a system that speaks to them."""

from __future__ import annotations

from typing import Protocol

from payment_svc.domain.messages import Audience, Message


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
