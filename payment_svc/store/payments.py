"""Payments in PostgreSQL. A saga's transitions write them (store/transition_sql.py); late payments are written here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from mesh.database import Database, Row
from mesh.statements import Statement, text
from payment_svc.domain import Event, Payment, Received, Timeline
from payment_svc.store.facts import DECLINE_REASON, DECLINED, PAYABLE_UNTIL, PROVIDER
from payment_svc.store.rows import to_payment, to_refund

# A payment with its refunds, and whether a saga is parked because one of them was given up. An earlier
# version parked it under another reason. A refund that was withdrawn before anybody was asked for it does not count.
_SELECT = f"""
    select p.*, refunds.*, sale.*, c.session_id as provider_session_id, c.payment_url, exists (
        select 1 from saga s where s.booking_id = p.booking_id and s.state = 'PARKED' and not s.is_complete
          and s.error ->> 'reason' in ('REFUND_GIVEN_UP', 'NEEDS_A_PERSON')) as needs_review
    from payment p left join callback_payment c on c.id = p.payment_intent_id cross join lateral (
        select coalesce(sum(amount_minor) filter (where status = 'SUCCEEDED'), 0) as refunded_minor,
               coalesce(sum(amount_minor) filter (where status = 'PENDING'), 0) as pending_minor,
               (array_agg(status order by created_at desc, id) filter (where reason <> 'withdrawn'))[1] as latest_refund
        from refund r where r.payment_intent_id = p.payment_intent_id) refunds
    cross join lateral (
        select {DECLINED} as declined, {DECLINE_REASON} as decline_reason, {PROVIDER} as provider, {PAYABLE_UNTIL}
            as payable_until
        from saga where id = p.saga_id) sale
"""  # noqa: S608 - constants
_GET = text(_SELECT + "where p.id = :id")
_THESE = text(_SELECT + "where p.id = any(:ids)")
# A page of a person's payments, newest first; on the first page nothing is after it.
_PAGE = _SELECT + "where p.{who} = :person {after} order by p.created_at desc, p.id desc limit :most"
_AFTER = "and (p.created_at, p.id) < (:at, :row)"
_OF_STUDENT, _OF_STUDENT_AFTER = (text(_PAGE.format(who="student_id", after=after)) for after in ("", _AFTER))
_OF_TUTOR, _OF_TUTOR_AFTER = (text(_PAGE.format(who="tutor_id", after=after)) for after in ("", _AFTER))
_FIRST = "'00000000-0000-0000-0000-000000000000'"
_ALL = text(_SELECT + f"where p.id > coalesce(cast(:after as uuid), {_FIRST}) order by p.id limit :most")
# Each part finds its rows by an index.
_OF = text(f"""
    with found as materialized (
        select id from payment where id = any(cast(:ids as uuid[])) or saga_id = any(cast(:ids as uuid[]))
        union select id from payment where payment_intent_id = any(cast(:intents as text[]))
        union select payment_id from refund where payment_intent_id = any(cast(:intents as text[]))
    )
    {_SELECT} where p.id = any(array(select id from found))
""")  # noqa: S608 - constants
_REFUNDS = text("select * from refund where payment_id = any(:ids) order by created_at, id")
# The events of the sale, and one line for its cancel. That line comes once the cancel has taken back what was sold:
# before, it can still be refused.
_TIMELINES = text("""
    select sold.*, told.* from (
        select distinct on (booking_id) id, booking_id, student_id, tutor_id, state as stands from saga
        where booking_id = any(:ids) order by booking_id, created_at
    ) sold left join lateral (
        select seq, at, state, event, detail from saga_event where saga_id = sold.id
        union all
        select told.seq, told.at, 'COMPLETED', 'cancelled', decided.detail
        from saga c join saga_event told on told.saga_id = c.id and told.event = 'cancelled'
        join saga_event decided on decided.saga_id = c.id and decided.event = 'cancelled_by'
        where c.booking_id = sold.booking_id and c.role = 'CANCEL'
        order by seq limit :most
    ) told on true
    where stands <> 'REJECTED' order by booking_id, seq
""")
# A payment that was closed unpaid has been paid after all.
_LATE = text("""
    update payment set status = 'SUCCEEDED', received_minor = :received
    where payment_intent_id = :intent and status <> 'SUCCEEDED'
""")


class PaymentStore:
    """Reads for everybody, and one write for money that arrives after the end."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, payment_id: UUID) -> Payment | None:
        rows = await self._database.rows(_GET, {"id": payment_id})
        return to_payment(rows[0]) if rows else None

    async def with_refunds(self, payment: Payment) -> Payment:
        """The payment with its refunds, oldest first."""
        rows = await self._database.rows(_REFUNDS, {"ids": [payment.id]})
        return replace(payment, refunds=tuple(map(to_refund, rows)))

    async def get_many(self, payment_ids: Sequence[UUID]) -> list[Payment]:
        """The payments with these ids that exist, in no order."""
        return [to_payment(row) for row in await self._database.rows(_THESE, {"ids": payment_ids})]

    async def history(self, student_id: UUID, after: tuple[datetime, UUID] | None, most: int) -> list[Payment]:
        """A student's payments, newest first, after the (created_at, id) of the page before."""
        return await self._page(_OF_STUDENT, _OF_STUDENT_AFTER, student_id, after, most)

    async def of_tutor(self, tutor_id: UUID, after: tuple[datetime, UUID] | None, most: int) -> list[Payment]:
        """The payments of what a tutor teaches, lessons and courses, in the same order."""
        return await self._page(_OF_TUTOR, _OF_TUTOR_AFTER, tutor_id, after, most)

    async def _page(
        self, first: Statement, further: Statement, person: UUID, after: tuple[datetime, UUID] | None, most: int
    ) -> list[Payment]:
        values: dict[str, Any] = {"person": person, "most": most}
        if after is None:
            return [to_payment(row) for row in await self._database.rows(first, values)]
        rows = await self._database.rows(further, {**values, "at": after[0], "row": after[1]})
        return [to_payment(row) for row in rows]

    async def list_all(self, after: UUID | None, most: int) -> list[Payment]:
        """All payments with their refunds, in id order, after this id."""
        return await self._with_refunds(await self._database.rows(_ALL, {"after": after, "most": most}))

    async def list_of(self, ids: Sequence[UUID], intents: Sequence[str]) -> list[Payment]:
        """The payments of these ids, sagas and intents, and those with a refund of these intents, in no order."""
        return await self._with_refunds(await self._database.rows(_OF, {"ids": ids, "intents": intents}))

    async def _with_refunds(self, rows: Sequence[Row]) -> list[Payment]:
        refunds = [to_refund(row) for row in await self._database.rows(_REFUNDS, {"ids": [row.id for row in rows]})]
        return [to_payment(row, tuple(r for r in refunds if r.payment_id == row.id)) for row in rows]

    async def timelines(self, sold_ids: Sequence[UUID], most: int) -> list[Timeline]:
        """The events of those of the purchases that exist, at most so many of each."""
        rows = await self._database.rows(_TIMELINES, {"ids": sold_ids, "most": most})
        return [_timeline(list(of_one)) for _, of_one in groupby(rows, key=attrgetter("booking_id"))]

    async def record_late(self, intent_id: str, received: Received) -> None:
        """Keep that the provider has money for a payment that was closed. Repeating it changes nothing."""
        await self._database.rows(_LATE, {"intent": intent_id, "received": received.amount_minor})


def _timeline(rows: list[Row]) -> Timeline:
    sold = rows[0]
    events = tuple(Event(row.at, row.state, row.event, row.detail) for row in rows if row.event is not None)
    return Timeline(sold.booking_id, sold.student_id, sold.tutor_id, events)
