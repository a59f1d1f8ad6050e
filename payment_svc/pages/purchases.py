"""The purchase of a link, as both of its pages show it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from mesh import about, calls
from mesh.errors import NotFound
from payment_svc.domain import Saga, State
from payment_svc.domain.purchases import PurchaseStatus
from payment_svc.links.addresses import Links
from payment_svc.links.tokens import Link, LinkPerson, Purpose
from payment_svc.pages.surroundings import Surroundings
from payment_svc.store import SagaStore

UTC = "UTC"


@dataclass(frozen=True, slots=True)
class PurchaseView:
    """A purchase for one of its two people."""

    saga: Saga
    person: LinkPerson
    status: PurchaseStatus
    around: Surroundings

    @property
    def timezone(self) -> str:
        """The IANA zone in which this person reads times: the tutor's own; the student's is the order's, if it has one."""
        return self._own_timezone or self.around.tutor_timezone or UTC

    @property
    def reads_in_any_timezone(self) -> bool:
        """True when nobody said in which zone this person reads: a page may show the browser's."""
        return not self._own_timezone

    @property
    def _own_timezone(self) -> str:
        facts, around = self.saga.purchase_facts, self.around
        return facts.timezone if self.person is LinkPerson.STUDENT else around.tutor_timezone

    @property
    def locale(self) -> str:
        """The student's language. It is nobody else's business."""
        return self.saga.purchase_facts.locale if self.person is LinkPerson.STUDENT else ""


@dataclass(frozen=True, slots=True)
class LinkedPurchases:
    """Finds the purchase that a link names."""

    links: Links
    sagas: SagaStore

    async def find(self, token: str, purpose: Purpose) -> tuple[Saga, Link]:
        """The purchase, and what the link says. Raises NotFound, also for a link that is over."""
        link = self.links.read(token, purpose)
        saga = await self.sagas.by_sold(link.sold_id)
        if saga is None or saga.state is State.REJECTED or saga.price is None:
            raise NotFound
        if link.expires_at <= saga.loaded_at.timestamp():
            raise NotFound
        about.learn(saga.ids)
        return saga, link


def call_of(saga: Saga, person: LinkPerson) -> calls.Call:
    """The current call, made by the person of a link. No peer may be called in it: the person has no token."""
    role = person.value.lower()
    return replace(calls.current(), person=calls.Person(person_id(saga, person), frozenset({role}), token=""))


def person_id(saga: Saga, person: LinkPerson) -> UUID:
    """Raises NotFound for the tutor of a purchase that has none."""
    found = saga.student_id if person is LinkPerson.STUDENT else saga.tutor_id
    if found is None:
        raise NotFound
    return found
