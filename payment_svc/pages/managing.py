"""The page to manage what was bought: see it, learn what a cancel gives back, cancel. Each as the person of the link."""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh import calls
from mesh.errors import TryAgain
from payment_svc.cancelling.cancel import Cancelled, Cancelling
from payment_svc.cancelling.quotes import Quote
from payment_svc.domain import NotCancellable, Payment, Saga, State
from payment_svc.domain.owed import decide_cancel
from payment_svc.domain.purchases import PurchaseStatus, status_of
from payment_svc.links.tokens import LinkPerson, Purpose
from payment_svc.pages.purchases import LinkedPurchases, PurchaseView, call_of, person_id
from payment_svc.pages.surroundings import SurroundingsReader
from payment_svc.store import CancellationStore, PaymentStore

_HAS_MEETING = frozenset({PurchaseStatus.CONFIRMED, PurchaseStatus.COMPLETED})


@dataclass(frozen=True, slots=True)
class ManageView:
    """The page."""

    purchase: PurchaseView
    meeting_link: str = field(repr=False)
    is_cancellable: bool
    payment: Payment | None


@dataclass(frozen=True, slots=True)
class Managing:
    """OpenPurchase, QuotePurchaseCancellation and CancelPurchase."""

    linked: LinkedPurchases
    payments: PaymentStore
    cancellations: CancellationStore
    surrounding: SurroundingsReader
    cancel_lessons: Cancelling
    cancel_courses: Cancelling

    async def open(self, token: str) -> ManageView:
        """The page as it is now. Raises NotFound, TryAgain."""
        saga, link = await self.linked.find(token, Purpose.MANAGE)
        person_id(saga, link.person)
        payment = None if saga.is_free else await self.payments.get(saga.payment_id)
        cancel = await self.cancellations.of_sold(saga.sold_id) if saga.state is State.COMPLETED else None
        around = await self.surrounding.read(saga)
        status = status_of(saga, cancel, took_place=around.took_place)
        return ManageView(
            PurchaseView(saga, link.person, status, around),
            meeting_link=around.meeting_link if status in _HAS_MEETING else "",
            is_cancellable=(
                cancel is None and not around.took_place and self._is_cancellable(saga, payment, link.person)
            ),
            payment=payment,
        )

    async def quote(self, token: str) -> tuple[Quote, str, Cancelling]:
        """The refund of a cancel now, its currency, and who signs its quote. Raises NotFound, NotCancellable, TryAgain."""
        saga, link = await self.linked.find(token, Purpose.MANAGE)
        cancelling = self._cancelling(saga)
        with calls.entered(call_of(saga, link.person)):
            return *await cancelling.quote(saga.sold_id), cancelling

    async def cancel(self, token: str, quote_token: str, reason: str) -> Cancelled:
        """Cancel. Raises NotFound, NotCancellable, QuoteExpired, Overloaded, TryAgain."""
        saga, link = await self.linked.find(token, Purpose.MANAGE)
        with calls.entered(call_of(saga, link.person)):
            return await self._cancelling(saga).cancel(saga.sold_id, quote_token, reason)

    def _cancelling(self, saga: Saga) -> Cancelling:
        return self.cancel_lessons if saga.course_id is None else self.cancel_courses

    def _is_cancellable(self, saga: Saga, payment: Payment | None, person: LinkPerson) -> bool:
        terms = self._cancelling(saga).terms
        by = "student" if person is LinkPerson.STUDENT else terms.teacher
        try:
            decide_cancel(terms, saga, payment, by)
        except (NotCancellable, TryAgain):
            return False
        return True
