"""Refunds in PostgreSQL. A refund is committed as PENDING, and counts, before the provider is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from mesh.database import Connection, Database
from mesh.statements import text
from payment_svc import metrics
from payment_svc.domain import Refund, RefundStatus
from payment_svc.domain.messages import REFUND_FAILED, REFUND_PAID, DeliveryRoute
from payment_svc.store import outbox
from payment_svc.store.rows import to_refund

_OF_INTENT = text("select * from refund where payment_intent_id = :intent order by created_at, id")
_OPEN = text("""
    insert into refund (id, payment_id, saga_id, payment_intent_id, amount_minor, currency, status, reason, told_as)
    values (:id, :payment, :saga, :intent, :amount, :currency, 'PENDING', :reason, cast(:told_as as uuid))
    on conflict (id) do nothing returning *
""")
_IMPORT = """
    insert into refund (id, payment_id, saga_id, payment_intent_id, amount_minor, currency, status, reason,
                        provider_refund_id)
    values (:id, :payment, :saga, :intent, :amount, :currency, :status, :reason, :provider)
    on conflict do nothing returning *
"""
# The UPDATE names the status that was read before the provider was asked. Zero rows mean that the answer is outdated, or
# is another refund's.
_RECORD = """
    update refund set status = :status, provider_refund_id = :provider, updated_at = clock_timestamp()
    where id = :id and status in (:seen, :status)
      and not exists (select 1 from refund other where other.provider_refund_id = :provider and other.id <> :id)
    returning *
"""
_WITHDRAW = text("""
    update refund set status = 'FAILED', reason = 'withdrawn', updated_at = clock_timestamp()
    where id = :id and status = 'PENDING' and provider_refund_id is null
""")
# The provider refused it.
_REFUSE = text("""
    update refund set status = 'FAILED', updated_at = clock_timestamp()
    where id = :id and status = 'PENDING' and provider_refund_id is null
    returning id
""")
# Pending refunds of which no open saga takes care. A refund that the provider never received is skipped while a saga of
# its purchase is PARKED.
_PENDING = text("""
    select r.* from refund r join saga s on s.id = r.saga_id
    where r.status = 'PENDING' and r.updated_at <= clock_timestamp() - make_interval(secs => :older)
      and not exists (select 1 from saga o where o.booking_id = s.booking_id and o.wake_at is not null)
      and not (r.provider_refund_id is null and exists (
          select 1 from saga o where o.booking_id = s.booking_id and o.state = 'PARKED' and o.kind <> 'DisputeCase'))
      and (cast(:after as uuid) is null or r.id > :after)
    order by r.id limit :most
""")


def _with_message(statement: str) -> str:
    """The same statement, which also writes a message about the refund's row."""
    return f"with written as ({statement}), {outbox.ANNOUNCE_REFUND} select id from written"  # noqa: S608 - constants


_IMPORT_AND_TELL, _RECORD_AND_TELL = text(_with_message(_IMPORT)), text(_with_message(_RECORD))
_TELL = text(_with_message("select * from refund where id = :id and status = 'FAILED'"))


class RefundStore:
    """One row per refund: of a refund decision, or made by somebody at the provider."""

    def __init__(self, database: Database, routes: Sequence[DeliveryRoute] = ()) -> None:
        self._database, self._routes = database, routes

    async def of_intent(self, intent_id: str) -> list[Refund]:
        """Every refund of an intent, oldest first."""
        return [to_refund(row) for row in await self._database.rows(_OF_INTENT, {"intent": intent_id})]

    async def open(self, refund: Refund) -> Refund:
        """Commit a refund as PENDING, before the provider is asked. Its `is_new` is False when the row existed."""
        rows = await self._database.rows(_OPEN, _values(refund))
        if rows:
            return to_refund(rows[0], is_new=True)
        return next(known for known in await self.of_intent(refund.payment_intent_id) if known.id == refund.id)

    async def import_(self, refund: Refund) -> bool:
        """Keep a refund that was made at the provider. A row that exists stays as it is: False."""
        values = _values(refund) | {"status": refund.status.value, "provider": refund.provider_refund_id}
        paid_routes = self._routes if refund.status is RefundStatus.SUCCEEDED else ()
        told = outbox.refund_values(refund, REFUND_PAID, paid_routes)
        is_new = bool(await self._database.rows(_IMPORT_AND_TELL, values | told))
        if is_new:
            metrics.note_refund(refund, refund.status)
        return is_new

    async def withdraw(self, refund: Refund) -> None:
        """Withdraw a refund that the provider has not been asked for."""
        await self._database.rows(_WITHDRAW, {"id": refund.id})

    async def refuse(self, refund: Refund) -> None:
        """Keep that the provider refused to make this refund."""
        if await self._database.rows(_REFUSE, {"id": refund.id}):
            metrics.note_refund(refund, RefundStatus.FAILED)

    async def announce_failure(self, refund: Refund) -> None:
        """Tell people that this failed refund is given up, once for all tries of its decision."""
        if self._routes:
            told = outbox.refund_values(refund, REFUND_FAILED, self._routes)
            await self._database.rows(_TELL, {"id": refund.id} | told)

    async def record(self, refund: Refund, status: RefundStatus, provider_refund_id: str) -> bool:
        """Keep what the provider said of it; False when somebody has recorded another answer since `refund` was read."""
        if (refund.status, refund.provider_refund_id) == (status, provider_refund_id):
            return True
        values = {"id": refund.id, "status": status.value, "provider": provider_refund_id, "seen": refund.status.value}
        told = outbox.announce_status(refund, status, self._routes)
        is_current = bool(await self._database.rows(_RECORD_AND_TELL, values | told))
        if is_current:
            metrics.note_refund(refund, status)
        return is_current

    async def pending(self, older_than: float, after: UUID | None, most: int) -> list[Refund]:
        """Refunds that have been PENDING for this many seconds and that no open saga takes care of, in id order.

        A refund that the provider was not asked for is left out while a saga is parked: a person may be paying it back.
        """
        values = {"older": older_than, "after": after, "most": most}
        return [to_refund(row) for row in await self._database.rows(_PENDING, values)]


async def open_in(connection: Connection, refund: Refund) -> None:
    """Commit a refund as PENDING inside the caller's transaction."""
    await connection.execute(_OPEN, _values(refund))


def _values(refund: Refund) -> dict[str, Any]:
    return {
        "id": refund.id,
        "payment": refund.payment_id,
        "saga": refund.saga_id,
        "intent": refund.payment_intent_id,
        "amount": refund.amount.amount_minor,
        "currency": refund.amount.currency,
        "reason": refund.reason,
        "told_as": refund.told_as,
    }
