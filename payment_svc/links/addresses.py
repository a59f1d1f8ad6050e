"""The addresses of the pages of a purchase. They are bearer secrets: who has one acts as its person on that purchase.

| link | lives until |
|---|---|
| to pay | an hour after the hold's end, so that its page can tell the end |
| to manage a lesson | 30 days after the lesson |
| to manage an enrollment | 400 days after it was ordered: a course has no end that is known here |
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from mesh.errors import NotFound
from payment_svc.domain import Saga, State
from payment_svc.domain.messages import Audience, Message
from payment_svc.links.tokens import Link, LinkPerson, Purpose, Tokens

AFTER_HOLD, AFTER_LESSON, AFTER_ORDER = timedelta(hours=1), timedelta(days=30), timedelta(days=400)
_PERSONS = {Audience.STUDENT: LinkPerson.STUDENT, Audience.TUTOR: LinkPerson.TUTOR}
#: The message about a purchase that was refused: it never was, and has no page.
_REFUSED = ".rejected"


class Links:
    """Makes and reads the links of one mesh, whose pages live at `public_url` ("https://app.example.org").

    Without an address there are no links: every URL is empty, and every token is NOT_FOUND.
    """

    def __init__(self, public_url: str = "", secrets: Sequence[str] = ()) -> None:
        self._public_url, self._tokens = public_url.rstrip("/"), Tokens(secrets)

    def checkout_url(self, saga: Saga) -> str:
        """Where the student pays, while a purchase can be paid; else empty."""
        ends = saga.purchase_facts.hold_expires_at
        is_payable = saga.state is State.AWAITING_PAYMENT and not saga.hold_is_over
        return self.checkout_url_of(saga.sold_id, ends) if is_payable and ends else ""

    def checkout_url_of(self, sold_id: UUID, hold_expires_at: datetime) -> str:
        """The same, for a purchase that is known to be payable."""
        return self._url(Purpose.CHECKOUT, LinkPerson.STUDENT, sold_id, hold_expires_at + AFTER_HOLD)

    def manage_url(self, saga: Saga, person: LinkPerson) -> str:
        """Where this person sees what was bought and cancels it. `saga` is the purchase."""
        if saga.time_slot is None or saga.minutes is None:
            return self._url(Purpose.MANAGE, person, saga.sold_id, saga.created_at + AFTER_ORDER)
        ends = saga.time_slot + timedelta(minutes=saga.minutes)
        return self._url(Purpose.MANAGE, person, saga.sold_id, ends + AFTER_LESSON)

    def manage_url_of(self, message: Message) -> str:
        """The manage link of the person who gets this message; the same at each try of it.

        Call it when the message is sent, and never store what it returns. Empty for a message to a program (EVERYBODY),
        for a purchase that was refused, and where pages have no address.
        """
        person, start = _PERSONS.get(message.route.audience), message.data.get("startTime")
        if person is None or message.type.endswith(_REFUSED):
            return ""
        sold_id = message.subject_id
        if start is None:
            return self._url(Purpose.MANAGE, person, sold_id, message.created_at + AFTER_ORDER)
        ends = datetime.fromisoformat(start) + timedelta(minutes=message.data.get("durationMinutes", 0))
        return self._url(Purpose.MANAGE, person, sold_id, ends + AFTER_LESSON)

    def read(self, token: str, purpose: Purpose) -> Link:
        """What a link says. Raises NotFound for one that is malformed, forged, or for another purpose.

        Whoever reads the purchase compares the link's end with the database's clock.
        """
        link = self._tokens.read(token)
        if link is None or link.purpose is not purpose:
            raise NotFound
        return link

    def _url(self, purpose: Purpose, person: LinkPerson, sold_id: UUID, until: datetime) -> str:
        if not self._public_url:
            return ""
        token = self._tokens.sign(Link(purpose, person, sold_id, int(until.timestamp())))
        return f"{self._public_url}/{purpose}/{token}"


NO_LINKS = Links()
