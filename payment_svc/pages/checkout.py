"""The page to pay on: what is bought, how long it is held, how to pay, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from payment_svc.domain import STRIPE, DeclineReason, Payment, Saga, State
from payment_svc.domain.purchases import ENDED_UNPAID, status_of
from payment_svc.links.tokens import LinkPerson, Purpose
from payment_svc.pages.purchases import LinkedPurchases, PurchaseView
from payment_svc.pages.surroundings import FreeTime, SurroundingsReader
from payment_svc.settling.refreshing import Refreshing
from payment_svc.store import CancellationStore, PaymentStore


@dataclass(frozen=True, slots=True)
class CheckoutView:
    """The page. What pays is there only while the purchase can be paid."""

    purchase: PurchaseView
    seconds_left: float
    client_secret: str = field(repr=False)
    payment_url: str = field(repr=False)
    decline_reason: DeclineReason | None
    attempts_left: int | None
    manage_url: str = field(repr=False)
    free_times: tuple[FreeTime, ...]


@dataclass(frozen=True, slots=True)
class Checkouts:
    """OpenCheckout and RefreshCheckout."""

    linked: LinkedPurchases
    payments: PaymentStore
    cancellations: CancellationStore
    refreshing: Refreshing
    surrounding: SurroundingsReader
    max_attempts: int

    async def open(self, token: str) -> CheckoutView:
        """The page as it is now. Raises NotFound, TryAgain."""
        saga, _ = await self.linked.find(token, Purpose.CHECKOUT)
        looked = await self.refreshing.look_again(saga)
        return await self._view(looked.saga, is_paid=looked.is_paid)

    async def refresh(self, token: str) -> CheckoutView:
        """The page after the provider was asked, at most once in five seconds, and after what follows from its answer.

        Raises NotFound, ProviderUnavailable, TryAgain.
        """
        saga, _ = await self.linked.find(token, Purpose.CHECKOUT)
        looked = await self.refreshing.look(saga)
        return await self._view(looked.saga, is_paid=looked.is_paid)

    async def _view(self, saga: Saga, *, is_paid: bool) -> CheckoutView:
        payment = None if saga.is_free else await self.payments.get(saga.payment_id)
        cancel = await self.cancellations.of_sold(saga.sold_id) if saga.state is State.COMPLETED else None
        around = await self.surrounding.read(saga)
        status = status_of(saga, cancel, is_paid=is_paid, took_place=around.took_place)
        is_payable = saga.state is State.AWAITING_PAYMENT and not saga.hold_is_over and not is_paid
        has_ended_unpaid = status in ENDED_UNPAID and saga.state is not State.COMPLETED
        offers_times = has_ended_unpaid and saga.course_id is None
        return CheckoutView(
            PurchaseView(saga, LinkPerson.STUDENT, status, around),
            seconds_left=_seconds_left(saga, is_payable),
            client_secret=saga.purchase_facts.client_secret if is_payable and _is_through_stripe(saga) else "",
            payment_url=payment.payment_url if payment and is_payable else "",
            decline_reason=payment.decline_reason if payment else None,
            attempts_left=self._attempts_left(payment) if is_payable else None,
            manage_url=self._manage_url(saga),
            free_times=tuple(await self.surrounding.find_free_times(saga)) if offers_times else (),
        )

    def _attempts_left(self, payment: Payment | None) -> int | None:
        return payment.attempts_left(self.max_attempts) if payment else None

    def _manage_url(self, saga: Saga) -> str:
        is_sold = saga.state is State.COMPLETED
        return self.linked.links.manage_url(saga, LinkPerson.STUDENT) if is_sold else ""


def _is_through_stripe(saga: Saga) -> bool:
    return saga.purchase_facts.provider == STRIPE


def _seconds_left(saga: Saga, is_payable: bool) -> float:
    """Until the hold ends, by the database's clock; at most 0 for what cannot be paid any more."""
    ends = saga.hold_ends or saga.purchase_facts.hold_expires_at
    left = (ends - saga.loaded_at).total_seconds() if ends else 0.0
    return left if is_payable else min(left, 0.0)
