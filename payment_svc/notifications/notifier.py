"""The port: a channel by which people, or systems that speak to them, are told."""

from __future__ import annotations

from typing import Protocol

from payment_svc.domain.messages import Audience, Message


class NotDelivered(Exception):
    """It has not been taken. The words say why without any address, secret or content.

    `definite`: asking again would get the same answer.
    """

    def __init__(self, words: str, *, definite: bool = False) -> None:
        self.definite = definite
        super().__init__(words)


class Notifier(Protocol):
    """A channel. `audiences`: for whom it wants a message of its own; `timeout`: seconds that one try may take."""

    @property
    def channel(self) -> str: ...

    @property
    def audiences(self) -> tuple[Audience, ...]: ...

    @property
    def timeout(self) -> float: ...

    async def tell(self, message: Message) -> None:
        """Returns once the message has been taken. Raises NotDelivered within `timeout`."""

    async def close(self) -> None: ...
