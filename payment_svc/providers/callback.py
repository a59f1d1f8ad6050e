"""A provider that calls us back. Its books are in our own tables: what it was asked for waits there for its report.

It cannot be told to stop. A payment that we called off may arrive all the same, and goes back then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import Row, text

from mesh.database import Database
from mesh.money import Money
from payment_svc.domain import Dispute, Intent, ProviderEvent, ProviderRefund, Refund, Saga
from payment_svc.providers.port import NoSuchIntent

CALLBACK, INTENT_PREFIX = "callback", "cb_"
MOST_RECENT = 1000

_SELECT = """
    select p.*, (select a.reference from callback_attempt a where a.callback_payment_id = p.id
                 order by a.at desc, a.reference limit 1) as failed_reference
    from callback_payment p
"""
# A payment to collect appears once per saga.
_OPEN = text("""
    insert into callback_payment (id, saga_id, payment_id, amount_minor, currency, status)
    values (:id, :saga, :payment, :amount, :currency, 'requires_payment')
    on conflict (saga_id) do nothing
""")
_OF_SAGA = text(_SELECT + "where p.saga_id = :saga")
_GET = text(_SELECT + "where p.id = :id")
# Nobody shall collect it any more, unless it was collected.
_CALL_OFF = text("""
    update callback_payment set status = 'canceled', updated_at = clock_timestamp()
    where id = :id and status = 'requires_payment'
""")
# It was collected. The provider may collect a payment that we called off. That counts only after the saga has ended,
# because only then does somebody refund it.
_PAY = text("""
    update callback_payment p set status = 'succeeded', reference = :reference, updated_at = clock_timestamp()
    where id = :id and (status = 'requires_payment' or status = 'canceled' and exists (
        select 1 from saga s where s.id = p.saga_id and s.is_complete))
""")
# It will not be collected. What the provider collects all the same comes after the saga's end.
_FAIL = text("""
    with failed as (
        update callback_payment set status = 'canceled', updated_at = clock_timestamp()
        where id = :id and status = 'requires_payment' returning id)
    insert into callback_attempt (callback_payment_id, reference) select id, :reference from failed
    on conflict do nothing
""")
_DECLINED = text("select reference from callback_attempt where callback_payment_id = :id")
_REFUND = text("""
    insert into callback_refund (id, callback_payment_id, amount_minor, currency, status)
    values (:id, :payment, :amount, :currency, 'pending') on conflict (id) do nothing
""")
_REFUNDS = text("""
    select * from callback_refund where callback_payment_id = :id order by created_at desc, id desc limit 100
""")
# Every pending refund of the payment is paid. A repeated report pays no refund that was opened after the first report.
_PAY_BACK = text("""
    update callback_refund set status = 'succeeded', reference = :reference, updated_at = clock_timestamp()
    where callback_payment_id = :id and status = 'pending' and not exists (
        select 1 from callback_refund r where r.callback_payment_id = :id and r.reference = :reference)
""")
_REPORTED = text("select 1 from callback_refund where callback_payment_id = :id and reference = :reference limit 1")
_PAGE = text(_SELECT + "where p.id > :after order by p.id limit :most")
_RECENT = text(
    _SELECT
    + """
    where p.updated_at >= clock_timestamp() - make_interval(secs => cast(:seconds as float8)) and p.status = 'succeeded'
    order by p.updated_at desc limit :most
"""
)


class CallbackProvider:
    """The provider `callback`: one row per payment to collect, per declined attempt, per refund. Writes can be repeated."""

    name, intent_prefix, takes_reports = CALLBACK, INTENT_PREFIX, True

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_intent(self, saga: Saga, price: Money) -> Intent:
        values = {"id": f"{INTENT_PREFIX}{saga.payment_id.hex}", "saga": saga.id, "payment": saga.payment_id}
        await self._database.rows(_OPEN, values | {"amount": price.amount_minor, "currency": price.currency})
        made = await self.find_intent(saga)
        assert made is not None
        return made

    async def find_intent(self, saga: Saga) -> Intent | None:
        rows = await self._database.rows(_OF_SAGA, {"saga": saga.id})
        return _intent(rows[0]) if rows else None

    async def retrieve_intent(self, intent_id: str) -> Intent:
        """Raises NoSuchIntent."""
        row = await self._row(intent_id)
        if row is None:
            raise NoSuchIntent("resource_missing", "no such payment")
        return _intent(row)

    async def cancel_intent(self, intent_id: str) -> Intent:
        await self._database.rows(_CALL_OFF, {"id": intent_id})
        return await self.retrieve_intent(intent_id)

    async def list_declined_charges(self, intent_id: str) -> set[str]:
        """The references of the reports that it failed."""
        return {row.reference for row in await self._database.rows(_DECLINED, {"id": intent_id})}

    async def create_refund(self, refund: Refund) -> ProviderRefund:
        """The request for a refund. It is pending until the provider reports it."""
        values = {"id": refund.id, "payment": refund.payment_intent_id, "currency": refund.amount.currency}
        await self._database.rows(_REFUND, values | {"amount": refund.amount.amount_minor})
        made = await self.find_refund(refund)
        assert made is not None
        return made

    async def find_refund(self, refund: Refund) -> ProviderRefund | None:
        known = await self.list_refunds(refund.payment_intent_id)
        return next((item for item in known if item.refund_id == str(refund.id)), None)

    async def list_refunds(self, intent_id: str) -> list[ProviderRefund]:
        return [_refund(row) for row in await self._database.rows(_REFUNDS, {"id": intent_id})]

    async def list_disputes(self, intent_id: str) -> list[Dispute]:
        """It reports no disputes."""
        return []

    async def list_intents(self, after: str | None, most: int) -> tuple[list[Intent], str]:
        rows = await self._database.rows(_PAGE, {"after": after or INTENT_PREFIX, "most": most})
        return [_intent(row) for row in rows], rows[-1].id if len(rows) == most else ""

    async def recent_intents(self, seconds: float) -> AsyncIterator[Intent]:
        """What was collected in the last seconds, latest first; at most 1000."""
        for row in await self._database.rows(_RECENT, {"seconds": seconds, "most": MOST_RECENT}):
            yield _intent(row)

    async def recent_events(self, types: frozenset[str], seconds: float) -> AsyncIterator[list[ProviderEvent]]:
        """No events. The provider repeats a report until we answer it, so none is missed."""
        nothing: tuple[list[ProviderEvent], ...] = ()
        for page in nothing:
            yield page

    # What the provider reports (settling/callbacks.py).

    async def record_paid(self, intent_id: str, reference: str) -> str | None:
        """Keep that it was collected in full. Returns the reference of the accepted payment, or None.

        Changes nothing when it was collected before, or while a saga that called it off has not ended.
        """
        await self._database.rows(_PAY, {"id": intent_id, "reference": reference})
        row = await self._row(intent_id)
        return row.reference if row is not None else None

    async def record_declined(self, intent_id: str, reference: str) -> bool:
        """Keep that it failed, and will not be paid; False when the payment had ended by then."""
        await self._database.rows(_FAIL, {"id": intent_id, "reference": reference})
        return reference in await self.list_declined_charges(intent_id)

    async def record_refunded(self, intent_id: str, reference: str) -> bool:
        """Keep that every pending refund was paid, once per reference; False when no refund was pending for this report."""
        await self._database.rows(_PAY_BACK, {"id": intent_id, "reference": reference})
        return bool(await self._database.rows(_REPORTED, {"id": intent_id, "reference": reference}))

    async def _row(self, intent_id: str) -> Row[Any] | None:
        rows = await self._database.rows(_GET, {"id": intent_id})
        return rows[0] if rows else None


def _intent(row: Row[Any]) -> Intent:
    return Intent(
        id=row.id,
        status=row.status,
        client_secret="",
        amount=row.amount_minor,
        currency=row.currency,
        received=row.amount_minor if row.status == "succeeded" else 0,
        saga_id=row.saga_id,
        payment_id=row.payment_id,
        failed_charge=row.failed_reference,
        has_failed=row.status == "canceled" and row.failed_reference is not None,
    )


def _refund(row: Row[Any]) -> ProviderRefund:
    return ProviderRefund(
        id=f"{INTENT_PREFIX}refund_{row.id.hex}",
        status=row.status,
        amount=row.amount_minor,
        currency=row.currency,
        refund_id=str(row.id),
    )
