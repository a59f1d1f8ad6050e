"""What the callback engine was asked to collect and to give back, and what it has reported: its state is kept here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, text

from mesh.database import Database
from mesh.money import Money
from payment_svc.domain import CALLBACK_PREFIX, Refund, Saga
from payment_svc.providers.port import Intent, ProviderRefund

_SELECT = """
    select p.*, (select a.reference from callback_attempt a where a.callback_payment_id = p.id
                 order by a.at desc, a.reference limit 1) as failed_reference
    from callback_payment p
"""
_OPEN = text("""
    insert into callback_payment (id, saga_id, payment_id, amount_minor, currency, status)
    values (:id, :saga, :payment, :amount, :currency, 'requires_payment')
    on conflict (saga_id) do nothing
""")
_OF_SAGA = text(_SELECT + "where p.saga_id = :saga")
_GET = text(_SELECT + "where p.id = :id")
_CALL_OFF = text("""
    update callback_payment set status = 'canceled', updated_at = clock_timestamp()
    where id = :id and status = 'requires_payment'
""")
# What was called off may have been paid all the same. Until its saga has ended nobody would see to that money.
_PAY = text("""
    update callback_payment p set status = 'succeeded', reference = :reference, updated_at = clock_timestamp()
    where id = :id and (status = 'requires_payment' or status = 'canceled' and exists (
        select 1 from saga s where s.id = p.saga_id and s.is_complete))
""")
_DECLINE = text("""
    insert into callback_attempt (callback_payment_id, reference)
    select id, :reference from callback_payment where id = :id and status = 'requires_payment'
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
# A report that is repeated speaks of what was to be given back when it came first, not of what was asked for since.
_PAY_BACK = text("""
    update callback_refund set status = 'succeeded', reference = :reference, updated_at = clock_timestamp()
    where callback_payment_id = :id and status = 'pending' and not exists (
        select 1 from callback_refund r where r.callback_payment_id = :id and r.reference = :reference)
""")
_REPORTED = text("select 1 from callback_refund where callback_payment_id = :id and reference = :reference limit 1")
_PAGE = text(_SELECT + "where p.id > :after order by p.id limit :most")
_LATELY = text(
    _SELECT
    + """
    where p.updated_at >= clock_timestamp() - make_interval(secs => cast(:seconds as float8)) and p.status = 'succeeded'
    order by p.updated_at desc limit :most
"""
)


class CallbackStore:
    """One row per payment to collect, per declined attempt, and per refund. Each write can be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_payment(self, saga: Saga, price: Money) -> Intent:
        """The saga's payment, made or as it is."""
        values = {"id": f"{CALLBACK_PREFIX}{saga.payment_id.hex}", "saga": saga.id, "payment": saga.payment_id}
        await self._run(_OPEN, values | {"amount": price.amount_minor, "currency": price.currency})
        made = await self.payment_of(saga)
        assert made is not None
        return made

    async def payment_of(self, saga: Saga) -> Intent | None:
        return await self._one(_OF_SAGA, {"saga": saga.id})

    async def payment(self, payment_id: str) -> Intent | None:
        return await self._one(_GET, {"id": payment_id})

    async def call_off(self, payment_id: str) -> None:
        """It is not to be collected any more, unless it has been."""
        await self._run(_CALL_OFF, {"id": payment_id})

    async def report_paid(self, payment_id: str, reference: str) -> None:
        """It was collected, in full. Changes nothing when it was before, or is called off by a saga that has not ended."""
        await self._run(_PAY, {"id": payment_id, "reference": reference})

    async def report_declined(self, payment_id: str, reference: str) -> None:
        """An attempt failed. Changes nothing once the payment has ended."""
        await self._run(_DECLINE, {"id": payment_id, "reference": reference})

    async def declined(self, payment_id: str) -> set[str]:
        """The references of the attempts that failed."""
        return {row.reference for row in await self._database.rows(_DECLINED, {"id": payment_id})}

    async def request_refund(self, refund: Refund) -> None:
        """It is to be given back."""
        amount = {"amount": refund.amount.amount_minor, "currency": refund.amount.currency}
        await self._run(_REFUND, {"id": refund.id, "payment": refund.payment_intent_id} | amount)

    async def refunds_requested(self, payment_id: str) -> list[ProviderRefund]:
        """A payment's refunds, newest first; at most 100."""
        return [_refund(row) for row in await self._database.rows(_REFUNDS, {"id": payment_id})]

    async def report_refunded(self, payment_id: str, reference: str) -> bool:
        """Whatever was to be given back has been, once per reference; False when it reported nothing, now or before."""
        await self._run(_PAY_BACK, {"id": payment_id, "reference": reference})
        return bool(await self._database.rows(_REPORTED, {"id": payment_id, "reference": reference}))

    async def page(self, after: str, most: int) -> list[Intent]:
        """Every payment in id order, behind a place."""
        return [_intent(row) for row in await self._database.rows(_PAGE, {"after": after, "most": most})]

    async def collected_lately(self, seconds: float, most: int) -> list[Intent]:
        """What was collected in the last seconds, latest first."""
        return [_intent(row) for row in await self._database.rows(_LATELY, {"seconds": seconds, "most": most})]

    async def reference_of(self, payment_id: str) -> str | None:
        """By which reference it was collected."""
        rows = await self._database.rows(_GET, {"id": payment_id})
        return rows[0].reference if rows else None

    async def _one(self, statement: Any, values: dict[str, Any]) -> Intent | None:
        rows = await self._database.rows(statement, values)
        return _intent(rows[0]) if rows else None

    async def _run(self, statement: Any, values: dict[str, Any]) -> None:
        await self._database.rows(statement, values)


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
    )


def _refund(row: Row[Any]) -> ProviderRefund:
    return ProviderRefund(
        id=f"{CALLBACK_PREFIX}refund_{row.id.hex}",
        status=row.status,
        amount=row.amount_minor,
        currency=row.currency,
        refund_id=str(row.id),
    )
