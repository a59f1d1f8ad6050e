"""What a kind of saga must do for the engine."""

from __future__ import annotations

from typing import Protocol

from payment_svc.domain import Saga, Transition


class Halted(Exception):
    """The saga cannot go on because of `error`. The steps before it have learned facts, which `saga` carries."""

    def __init__(self, saga: Saga, error: Exception) -> None:
        self.saga, self.error = saga, error
        super().__init__(str(error))


class Kind(Protocol):
    """A kind of saga that the engine can run."""

    @property
    def kind(self) -> str: ...

    @property
    def version(self) -> int: ...

    async def advance(self, saga: Saga) -> Transition:
        """Call the outside, and say the one transition that follows; the engine commits it.

        Everything in it can be repeated. Raises Refusal, CallFailed, NotYet, NeedsAPerson or Halted when the outside
        gives no usable answer.
        """
