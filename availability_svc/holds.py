"""A saga's claim on two calendars: hold, confirm, release. Each is all or nothing, and idempotent under the saga's id.

`Claims` lists what is claimed, for the operator's audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from availability_svc import hours
from availability_svc.domain import (
    CLAIMS_OF_A_HOLD,
    AmountMismatch,
    Claim,
    Conflicts,
    Hold,
    HoldState,
    IdempotencyMismatch,
    LengthNotOffered,
    Order,
    OutsideWorkingHours,
    Schedule,
    SlotTaken,
    StartNotOffered,
    StudentBusy,
    TimedHold,
    Tombstone,
    TooFarAhead,
    TooSoon,
    TutorNotFound,
)
from availability_svc.limits import Terms
from availability_svc.store import Calendars, HoldStore, Situation
from mesh.currencies import MOST_TOLD
from mesh.database import Database
from mesh.errors import BadInput, Cancelled, NotFound, TryAgain
from mesh.money import Money

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


class Holds:
    """Decides which saga gets a time. Only the database's clock and the locks on the calendars' rows say who is first."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database, self._terms = database, terms

    async def hold(self, order: Order) -> TimedHold:
        """Claim both calendars until the hold ends. Repeating a saga's order returns its first hold.

        Raises, the first of these that applies: TutorNotFound, Cancelled, IdempotencyMismatch, LengthNotOffered,
        BadInput (the price is more than can be told), TooFarAhead, OutsideWorkingHours, StartNotOffered, TooSoon,
        SlotTaken, StudentBusy, TooManyHolds, AmountMismatch.
        """
        held = await self._database.statement(lambda connection: self._hold(HoldStore(connection), order))
        if held is None:
            held = await self._database.transaction(
                lambda connection: self._hold_behind_locks(HoldStore(connection), order)
            )
        return held

    async def confirm(self, saga_id: UUID) -> UUID:
        """Turn the hold into a confirmed lesson, and return the id of the tutor's claim.

        A hold that has lapsed and lost its time claims it again. Raises, the first of these that applies: NotFound,
        Cancelled, TooSoon (the lesson has begun), SlotTaken, StudentBusy.
        """
        confirmed = await self._database.statement(
            lambda connection: HoldStore(connection).confirm(saga_id, self._terms.grace)
        )
        if confirmed is None:
            confirmed = await self._database.transaction(
                lambda connection: self._confirm_otherwise(HoldStore(connection), saga_id)
            )
        return confirmed

    async def release(self, saga_id: UUID) -> None:
        """Free both calendars. A hold of this saga that arrives later is refused as Cancelled."""
        await self._database.transaction(lambda connection: self._release(HoldStore(connection), saga_id))

    async def _hold(self, store: HoldStore, order: Order, *, has_locks: bool = False) -> TimedHold | None:
        """The hold; None when somebody claimed from a calendar meanwhile. Without locks also when lapsed claims must go."""
        situation = await store.read_situation(order, self._terms)
        if situation.schedule is None:
            raise TutorNotFound
        if situation.hold is not None:
            return _with_time_left(_must_repeat(order, situation.hold), situation)
        hold = self._decide(order, situation.schedule, situation)
        if situation.conflicts.lapsed and not has_locks:
            return None
        await store.evict(situation.conflicts.lapsed)
        return _with_time_left(hold, situation) if await store.insert(hold, situation.versions) else None

    async def _hold_behind_locks(self, store: HoldStore, order: Order) -> TimedHold:
        await store.lock(order.tutor_id, order.student_id)
        held = await self._hold(store, order, has_locks=True)
        held = held or await self._hold(store, order, has_locks=True)  # a release left its tombstone meanwhile
        if held is None:
            raise TryAgain("the hold is being released")
        return held

    def _decide(self, order: Order, schedule: Schedule, situation: Situation) -> Hold:
        """The hold for this order. Raises the first refusal that applies, in the order of the contract."""
        _must_be_offered(schedule, order, situation.now)
        _must_be_free(situation.conflicts)
        self._terms.limits.must_allow(situation.standing, order.minutes)
        price = schedule.price(order.minutes)
        if not order.expected.is_met(price):
            raise AmountMismatch(field="price")
        expires_at = min(situation.now + self._terms.hold, order.lesson.start)
        return Hold(order, schedule.buffer, price, uuid4(), expires_at)

    async def _confirm_otherwise(self, store: HoldStore, saga_id: UUID) -> UUID:
        """Confirm a hold that the lone statement left as it was: a repeat, a lost claim, or a reason to refuse."""
        locked = await store.lock_hold(saga_id)
        situation = await store.read_situation_of(saga_id, self._terms.grace)
        hold = _must_live(situation.hold)
        if not locked:
            raise TryAgain("the hold is being made")
        if hold.state is HoldState.CONFIRMED:
            return hold.block_id
        if situation.claim_count < CLAIMS_OF_A_HOLD:
            await self._claim_again(store, hold, situation)
        elif not await store.confirm(saga_id, self._terms.grace):
            raise TooSoon("the lesson has begun")
        return hold.block_id

    async def _claim_again(self, store: HoldStore, hold: Hold, situation: Situation) -> None:
        """Claim the time of a paid hold that lapsed and lost a claim. Whether it is offered was decided when it was made."""
        if hold.order.lesson.start <= situation.now:
            raise TooSoon("the lesson has begun")
        _must_be_free(situation.conflicts)
        await store.evict(situation.conflicts.lapsed)
        await store.claim_again(hold.order.saga_id)

    async def _release(self, store: HoldStore, saga_id: UUID) -> None:
        if await store.lock_hold(saga_id):
            await store.release(saga_id)
        elif not await store.leave_tombstone(saga_id) and await store.lock_hold(saga_id):
            await store.release(saga_id)  # the hold was inserted meanwhile


class Claims:
    """The claims on all calendars, in id order."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_page(self, after: UUID | None, size: int) -> tuple[list[Claim], UUID | None]:
        """At most `size` claims behind `after`, and the id behind which the next page begins; None on the last page."""
        found = await self._database.statement(lambda connection: Calendars(connection).list_claims(after, size + 1))
        page = found[:size]
        return page, page[-1].id if len(found) > size else None

    async def list_overlapping(self, ids: Sequence[UUID]) -> list[Claim]:
        """The claims of these ids or sagas, and every claim that overlaps one of them on its calendar."""
        return await self._database.statement(lambda connection: Calendars(connection).list_overlapping(ids))


def _must_be_offered(schedule: Schedule, order: Order, now: datetime) -> None:
    """Raises the first reason why the tutor does not give this lesson. A lesson in the past is too soon at any hours."""
    start = order.lesson.start
    if not schedule.has_length(order.minutes):
        raise LengthNotOffered
    _must_be_told(schedule.price(order.minutes))
    if schedule.is_too_far(start, now):
        raise TooFarAhead
    if start > now and not hours.covers(schedule.hours, order.lesson):
        raise OutsideWorkingHours
    if start > now and not hours.is_start(schedule.hours, schedule.offer.start_every * MINUTE, start):
        raise StartNotOffered
    if schedule.is_too_soon(start, now):
        raise TooSoon


def _must_be_told(price: Money) -> None:
    """Raises BadInput for a price that is too large to tell. What can be charged is for the payment provider to say."""
    if price.amount_minor > MOST_TOLD:
        raise BadInput(f"the price of such a lesson {price.payable_amounts}", field="duration_minutes")


def _must_be_free(conflicts: Conflicts) -> None:
    """Raises SlotTaken or StudentBusy. The tutor's calendar comes first, because SLOT_TAKEN reveals nothing else."""
    if conflicts.on_tutor:
        raise SlotTaken
    if conflicts.on_student:
        raise StudentBusy


def _must_live(found: Hold | Tombstone | None) -> Hold:
    if found is None:
        raise NotFound
    if isinstance(found, Tombstone) or found.state is HoldState.RELEASED:
        raise Cancelled
    return found


def _must_repeat(order: Order, found: Hold | Tombstone | None) -> Hold:
    hold = _must_live(found)
    if hold.order != order:
        raise IdempotencyMismatch("this saga holds another time")
    return hold


def _with_time_left(hold: Hold, situation: Situation) -> TimedHold:
    schedule = situation.schedule
    tutor = (schedule.display_name, schedule.hours.timezone) if schedule else ()
    return TimedHold(hold, (hold.expires_at - situation.now) / SECOND, *tutor)
