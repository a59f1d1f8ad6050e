"""Lists every live claim, for the operator's audit."""

from __future__ import annotations

from uuid import UUID

from availability_svc.domain import Claim
from availability_svc.store import Calendars
from mesh.database import Database


class Claims:
    """The claims on all calendars, in id order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_page(self, after: UUID | None, size: int) -> tuple[list[Claim], UUID | None]:
        """At most `size` claims behind `after`, and the id behind which the next page begins; None on the last page."""
        found = await self._database.statement(lambda connection: Calendars(connection).list_claims(after, size + 1))
        page = found[:size]
        return page, page[-1].id if len(found) > size else None
