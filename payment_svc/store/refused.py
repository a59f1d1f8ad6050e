"""Refused sales in PostgreSQL: after a while they are forgotten, so that what was never sold does not fill the disk."""

from __future__ import annotations

from mesh.database import Database
from mesh.statements import text

# A sale that was refused and made nothing. Its message goes with it, once nobody waits for the message. Each `not exists`
# has an index that begins with its column.
_FORGET_OLD = text("""
    with refused as (
        select id, booking_id from saga s
        where state = 'REJECTED' and role = 'SALE' and payment_intent_id is null
          and updated_at < now() - make_interval(secs => :older)
          and not exists (select 1 from payment where saga_id = s.id)
          and not exists (select 1 from refund where saga_id = s.id)
          and not exists (select 1 from callback_payment where saga_id = s.id)
          and not exists (select 1 from stripe_event where saga_id = s.id)
          and not exists (select 1 from notification where subject_id = s.booking_id and status = 'PENDING')
          and not exists (select 1 from saga other where other.booking_id = s.booking_id and other.id <> s.id)
        order by updated_at limit :most for update skip locked
    ), keys as (
        delete from idempotency_key where saga_id in (select id from refused)
    ), messages as (
        delete from notification where subject_id in (select booking_id from refused)
    ), events as (
        delete from saga_event where saga_id in (select id from refused)
    )
    delete from saga where id in (select id from refused) returning id
""")


class RefusedStore:
    """The sales that were refused and booked nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget_old(self, older_than: float, most: int) -> int:
        """Delete those that ended this many seconds ago, at most so many, with events and messages; how many were deleted.

        One that has a payment, a refund, a cancel, a provider's event or a message on its way stays.
        """
        return len(await self._database.rows(_FORGET_OLD, {"older": older_than, "most": most}))
