"""The payment providers by their public names, which PAYMENT_ENGINES lists. In public a provider is called an engine."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.errors import BadInput, Forbidden
from payment_svc.domain.payments import CALLBACK, STRIPE

#: What may be named on a developer's machine.
DEVELOPMENT_ENGINES = (STRIPE, CALLBACK, "placeholder")


@dataclass(frozen=True, slots=True)
class PaymentEngines:
    """The names that an order may choose from, and the one that it gets when it names none."""

    names: tuple[str, ...] = DEVELOPMENT_ENGINES
    default: str = STRIPE

    def choose(self, named: str, *, may_choose: bool) -> str:
        """The name that an order gets. Raises BadInput for one that is not listed, and Forbidden for who may not choose."""
        if named in ("", self.default):
            return self.default
        self.check(named)
        if not may_choose:
            raise Forbidden("only a service may choose this engine", field="payment_engine")
        return named

    def check(self, named: str) -> None:
        """Raises BadInput for a name that is not listed."""
        if named not in self.names:
            raise BadInput("there is no such engine", field="payment_engine")


def provider_of(engine: str) -> tuple[str, str]:
    """The facts `provider` and `provider_name` of a purchase through this engine.

    Replicas of the version before know STRIPE and CALLBACK alone: to them, every other one is a CALLBACK.
    """
    return (engine, "") if engine in (STRIPE, CALLBACK) else (CALLBACK, engine)
