"""Links that nobody was given, and links that are over: signed as payment_svc signs them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from payment_svc.links.tokens import Link, LinkPerson, Purpose, Tokens
from tests.people import Booked
from tests.world import LINK_SECRET, World


@dataclass(frozen=True)
class Links:
    """Addresses of the pages of the world's purchases."""

    world: World

    def manage(
        self, sold: Booked, person: str, *, seconds: float = 3600, secret: str = LINK_SECRET, purpose: str = "manage"
    ) -> str:
        """The link of the student or the tutor of a lesson, good for so many seconds."""
        until = int((datetime.now(UTC) + timedelta(seconds=seconds)).timestamp())
        link = Link(Purpose(purpose), LinkPerson(person), UUID(sold.booking), until)
        return f"{self.world.bff_url}/{purpose}/{Tokens([secret]).sign(link)}"
