"""The providers that call us back. Their books are in our own tables: what they are to collect waits there for a report.

Some of them are asked for a payment session first (sessions.py). None can be told to stop. A payment that we called off
may arrive all the same, and goes back then.
"""

from __future__ import annotations

from mesh.database import Database, Row
from mesh.money import Money
from payment_svc.domain import (
    CALLBACK,
    Dispute,
    Intent,
    ProviderEvent,
    ProviderRefund,
    ReferenceUsed,
    Refund,
    Saga,
    State,
)
from payment_svc.providers.callback_sql import (
    CALL_OFF,
    DECLINED,
    FAIL,
    GET,
    OF_SAGA,
    OPEN,
    OPEN_SESSION,
    PAGE,
    PAY,
    PAY_BACK,
    RECENT,
    REFUND,
    REFUNDS,
    REPORTED,
    USED_BY_ANOTHER,
)
from payment_svc.providers.port import EventPage, NoSuchIntent, ProviderRefused
from payment_svc.providers.sessions import PaymentSession, PaymentSessions

INTENT_PREFIX = "cb_"
MOST_RECENT = 1000


class CallbackProvider:
    """Every provider that calls us back: one row per payment to collect, per failure, per refund. Writes can be repeated."""

    name, intent_prefix, takes_reports = CALLBACK, INTENT_PREFIX, True

    def __init__(self, database: Database, sessions: PaymentSessions) -> None:
        self._database, self._sessions = database, sessions

    async def create_intent(self, saga: Saga, price: Money) -> Intent:
        """The payment to collect. A provider that is asked has opened its session, unless the saga is being undone.

        Raises ProviderRefused when the provider takes no such payment; nobody can pay it then.
        """
        values = {"id": f"{INTENT_PREFIX}{saga.payment_id.hex}", "saga": saga.id, "payment": saga.payment_id}
        values |= {"amount": price.amount_minor, "currency": price.currency}
        await self._database.rows(OPEN, values | {"engine": saga.purchase_facts.payment_engine})
        (row,) = await self._database.rows(OF_SAGA, {"saga": saga.id})
        if not self._lacks_session(saga, row):
            return _intent(row)
        try:
            session = await self._sessions.ask(row.engine, saga, price)
        except ProviderRefused:
            await self._database.rows(CALL_OFF, {"id": row.id})
            raise
        return await self._keep_session(row.id, session)

    async def _keep_session(self, intent_id: str, session: PaymentSession) -> Intent:
        await self._database.rows(OPEN_SESSION, {"id": intent_id, "session": session.id, "url": session.url})
        return await self.retrieve_intent(intent_id)

    def _lacks_session(self, saga: Saga, row: Row) -> bool:
        """True when a saga that opens its payment has to ask for the session. One that is undone needs none."""
        is_asked = saga.state is State.AWAITING_AVAILABILITY and self._sessions.asks(row.engine)
        return is_asked and row.session_id is None and row.status == "requires_payment"

    async def find_intent(self, saga: Saga) -> Intent | None:
        """The saga's payment; None also while its provider has still to be asked for the session."""
        rows = await self._database.rows(OF_SAGA, {"saga": saga.id})
        return _intent(rows[0]) if rows and not self._lacks_session(saga, rows[0]) else None

    async def retrieve_intent(self, intent_id: str) -> Intent:
        """Raises NoSuchIntent."""
        row = await self._row(intent_id)
        if row is None:
            raise NoSuchIntent("resource_missing", "no such payment")
        return _intent(row)

    async def cancel_intent(self, intent_id: str) -> Intent:
        await self._database.rows(CALL_OFF, {"id": intent_id})
        return await self.retrieve_intent(intent_id)

    async def list_declined_charges(self, intent_id: str) -> set[str]:
        """The references of the reports that it failed."""
        return {row.reference for row in await self._database.rows(DECLINED, {"id": intent_id})}

    async def create_refund(self, refund: Refund) -> ProviderRefund:
        """The request for a refund. It is pending until the provider reports it."""
        values = {"id": refund.id, "payment": refund.payment_intent_id, "currency": refund.amount.currency}
        await self._database.rows(REFUND, values | {"amount": refund.amount.amount_minor})
        made = await self.find_refund(refund)
        assert made is not None
        return made

    async def find_refund(self, refund: Refund) -> ProviderRefund | None:
        known = await self.list_refunds(refund.payment_intent_id)
        return next((item for item in known if item.refund_id == str(refund.id)), None)

    async def list_refunds(self, intent_id: str) -> list[ProviderRefund]:
        return [_refund(row) for row in await self._database.rows(REFUNDS, {"id": intent_id})]

    async def list_disputes(self, intent_id: str) -> list[Dispute]:
        """It reports no disputes."""
        return []

    async def list_intents(self, after: str | None, most: int) -> tuple[list[Intent], str]:
        rows = await self._database.rows(PAGE, {"after": after or INTENT_PREFIX, "most": most})
        return [_intent(row) for row in rows], rows[-1].id if len(rows) == most else ""

    async def find_intent_of_charge(self, charge_id: str) -> str:
        """It has no charges."""
        return ""

    async def recent_intents(self, seconds: float, after: str) -> tuple[list[Intent], str]:
        """What was collected in the last seconds, latest first; at most 1000, on one page."""
        rows = await self._database.rows(RECENT, {"seconds": seconds, "most": MOST_RECENT})
        return [_intent(row) for row in rows], ""

    async def recent_events(self, types: frozenset[str], seconds: float, after: str) -> tuple[list[ProviderEvent], str]:
        """No events. The provider repeats a report until we answer it, so none is missed."""
        return [], ""

    async def list_intents_of_events(self, since: int, after: str | None) -> EventPage:
        """No events. Its books are rows of ours, which tell that they have changed."""
        return EventPage()

    # What the provider reports (settling/callbacks.py).

    async def record_paid(self, intent_id: str, reference: str) -> str | None:
        """Keep that it was collected in full. Returns the reference of the accepted payment, or None.

        Changes nothing when it was collected before, or while a saga that called it off has not ended. Raises
        ReferenceUsed.
        """
        await self._check_reference(intent_id, reference)
        await self._database.rows(PAY, {"id": intent_id, "reference": reference})
        row = await self._row(intent_id)
        return row.reference if row is not None else None

    async def record_declined(self, intent_id: str, reference: str) -> bool:
        """Keep that it failed, and will not be paid; False when the payment had ended by then. Raises ReferenceUsed."""
        await self._check_reference(intent_id, reference)
        await self._database.rows(FAIL, {"id": intent_id, "reference": reference})
        return reference in await self.list_declined_charges(intent_id)

    async def record_refunded(self, intent_id: str, reference: str) -> bool:
        """Keep that every pending refund was paid, once per reference; False when no refund was pending for this report.

        Raises ReferenceUsed.
        """
        await self._check_reference(intent_id, reference)
        await self._database.rows(PAY_BACK, {"id": intent_id, "reference": reference})
        return bool(await self._database.rows(REPORTED, {"id": intent_id, "reference": reference}))

    async def _check_reference(self, intent_id: str, reference: str) -> None:
        """Raises ReferenceUsed when the provider has reported it for another payment."""
        if await self._database.rows(USED_BY_ANOTHER, {"id": intent_id, "reference": reference}):
            raise ReferenceUsed

    async def _row(self, intent_id: str) -> Row | None:
        rows = await self._database.rows(GET, {"id": intent_id})
        return rows[0] if rows else None


def _intent(row: Row) -> Intent:
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


def _refund(row: Row) -> ProviderRefund:
    return ProviderRefund(
        id=f"{INTENT_PREFIX}refund_{row.id.hex}",
        status=row.status,
        amount=row.amount_minor,
        currency=row.currency,
        refund_id=str(row.id),
    )
