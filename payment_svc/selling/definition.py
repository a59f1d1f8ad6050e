"""What a saga is: steps in order, what undoes each, and the pivot behind which it only goes forward."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from payment_svc.domain import Move, Saga

Do = Callable[[Saga], Awaitable[Saga]]
Undoing = Callable[[Saga], Awaitable[None]]


class Kind(Protocol):
    """A kind of saga that the engine can drive."""

    @property
    def kind(self) -> str: ...

    @property
    def version(self) -> int: ...

    async def advance(self, saga: Saga) -> Move:
        """The next move. Raises Refusal, CallFailed, Halted when the outside gives no usable answer."""


@dataclass(frozen=True, slots=True)
class Step:
    """One idempotent effect under the saga's id.

    `do` gives the saga knowing more; `undo` also undoes what has not arrived yet.
    """

    name: str
    do: Do
    undo: Undoing | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """A saga that sells something against a payment.

    `opening` steps run before the payment is opened, in order; a refusal of the first rejects the saga, of a later one
    undoes it. `pivot` is the first step after the payment: refused, the money goes back; done, `closing` steps only go
    forward.
    """

    kind: str
    version: int
    opening: tuple[Step, ...]
    pivot: Step
    closing: tuple[Step, ...]
