"""The words in which a saga that sells something is written: its steps in order, each with its undo."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from payment_svc.domain import Intent, Saga, Undo
from payment_svc.peers import Peers
from payment_svc.selling.payment import PaymentLook, PaymentPorts

Do = Callable[[Peers, Saga], Awaitable[Saga]]
UndoStep = Callable[[Peers, Saga], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Step:
    """One effect at a peer, idempotent under the saga's id.

    `do` returns the saga with what it has learned. `undo` also undoes an effect that has not arrived yet.
    """

    do: Do
    undo: UndoStep | None = None


@dataclass(frozen=True, slots=True)
class OpenPayment:
    """The provider is asked to collect the price. A free purchase skips this and the wait.

    `undo` closes the payment and comes before every other undo, so that nothing that is being undone can be paid.
    `refund` gives back what came all the same, after every other undo.
    """

    do: Callable[[PaymentPorts, Saga], Awaitable[Intent]]
    undo: Callable[[PaymentPorts, Saga], Awaitable[Intent | None]]
    refund: Callable[[PaymentPorts, Saga, Intent], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class WaitForPayment:
    """The saga sleeps until the provider reports the payment, or until the hold ends. Each report makes it `look`.

    `hold_ends` and `every_attempt_declined` are the reasons for which the saga then turns back.
    """

    look: Callable[[PaymentPorts, Saga], Awaitable[PaymentLook]]
    hold_ends: Undo
    every_attempt_declined: Undo


@dataclass(frozen=True, slots=True)
class Pivot:
    """The point of no return. When it is refused, the saga turns back; when it is done, the saga only goes forward."""

    do: Do
    refused: Undo


@dataclass(frozen=True, slots=True)
class Definition:
    """A saga that sells something.

    | state | what runs |
    |---|---|
    | AWAITING_AVAILABILITY | the steps before the payment, then OpenPayment. A refusal of the first step rejects the saga |
    | AWAITING_PAYMENT | WaitForPayment |
    | BOOKING_SESSION | the pivot and the steps after it |
    | COMPENSATING | the undos of the steps before the pivot, from last to first |

    Raises ValueError unless the steps stand in the order Step…, OpenPayment, WaitForPayment, Pivot, Step….
    """

    kind: str
    version: int
    steps: tuple[Step | OpenPayment | WaitForPayment | Pivot, ...]

    def __post_init__(self) -> None:
        names = [type(step).__name__ for step in self.steps]
        opened = names.index("OpenPayment") if "OpenPayment" in names else -1
        around = names[:opened] + names[opened + 3 :]
        is_whole = names[opened : opened + 3] == ["OpenPayment", "WaitForPayment", "Pivot"] and set(around) == {"Step"}
        if opened < 1 or not is_whole:
            raise ValueError(f"{self.kind}: the steps are not in order: {names}")

    @property
    def before_payment(self) -> tuple[Step, ...]:
        """The steps that take hold of what is sold."""
        payment = next(index for index, step in enumerate(self.steps) if isinstance(step, OpenPayment))
        return tuple(step for step in self.steps[:payment] if isinstance(step, Step))

    @property
    def payment(self) -> OpenPayment:
        return next(step for step in self.steps if isinstance(step, OpenPayment))

    @property
    def wait(self) -> WaitForPayment:
        return next(step for step in self.steps if isinstance(step, WaitForPayment))

    @property
    def pivot(self) -> Pivot:
        return next(step for step in self.steps if isinstance(step, Pivot))

    @property
    def after_pivot(self) -> tuple[Step, ...]:
        """The steps that only go forward."""
        pivot = next(index for index, step in enumerate(self.steps) if isinstance(step, Pivot))
        return tuple(step for step in self.steps[pivot + 1 :] if isinstance(step, Step))
