"""A saga's claim on two calendars: hold, confirm, release. Each is one transaction, idempotent under the saga's id."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from availability_svc import hours
from availability_svc.domain import (
    Conflicts,
    Hold,
    HoldState,
    IdempotencyMismatch,
    Order,
    OutsideWorkingHours,
    Schedule,
    SlotTaken,
    StudentBusy,
    Terms,
    TimedHold,
    Tombstone,
    TooManyHolds,
    TooSoon,
    TutorNotFound,
)
from availability_svc.store import HoldStore, Situation
from mesh.database import Database
from mesh.errors import BadInput, Cancelled, NotFound, TryAgain
from mesh.money import Money

SECOND = timedelta(seconds=1)
#: One on the tutor's calendar and one on the student's.
CLAIMS_OF_A_HOLD = 2


class Holds:
    """Decides which saga gets a time. Only the database's clock and the locks on the calendars' rows say who is first."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database, self._terms = database, terms

    async def hold(self, order: Order) -> TimedHold:
        """Claim both calendars until the hold ends. Repeating a saga's order returns its first hold.

        Raises, the first of these that applies: TutorNotFound, Cancelled, IdempotencyMismatch, OutsideWorkingHours,
        TooSoon, SlotTaken, StudentBusy, TooManyHolds.
        """
        return await self._database.transaction(lambda connection: self._hold(HoldStore(connection), order))

    async def confirm(self, saga_id: UUID) -> UUID:
        """Turn the hold into a confirmed lesson, and return the id of the tutor's claim.

        A hold that has lapsed and lost its time claims it again. Raises, the first of these that applies: NotFound,
        Cancelled, TooSoon (the lesson has begun), SlotTaken, StudentBusy.
        """
        return await self._database.transaction(lambda connection: self._confirm(HoldStore(connection), saga_id))

    async def release(self, saga_id: UUID) -> None:
        """Free both calendars. A hold of this saga that arrives later is refused as Cancelled."""
        await self._database.transaction(lambda connection: self._release(HoldStore(connection), saga_id))

    async def _hold(self, store: HoldStore, order: Order) -> TimedHold:
        await store.lock(order.tutor_id, order.student_id)
        situation = await store.read_situation(order, self._terms.grace)
        if situation.schedule is None:
            raise TutorNotFound
        if situation.hold is None:
            hold = self._decide(order, situation.schedule, situation)
            await store.evict(situation.conflicts.lapsed)
            if await store.insert(hold):
                return _with_time_left(hold, situation)
            situation = await store.read_situation(order, self._terms.grace)  # a release left its tombstone meanwhile
        return _with_time_left(_must_repeat(order, situation.hold), situation)

    def _decide(self, order: Order, schedule: Schedule, situation: Situation) -> Hold:
        """The hold for this order. Raises the first refusal that applies, in the order of the contract."""
        lesson, now = order.lesson, situation.now
        if lesson.start > now and not hours.covers(schedule.hours, lesson):
            raise OutsideWorkingHours
        if schedule.is_too_soon(lesson.start, now):
            raise TooSoon
        _must_be_free(situation.conflicts)
        if situation.unpaid >= self._terms.max_unpaid:
            raise TooManyHolds
        expires_at = min(now + self._terms.hold, lesson.start)
        return Hold(order, schedule.buffer, price(schedule, order.minutes), uuid4(), expires_at)

    async def _confirm(self, store: HoldStore, saga_id: UUID) -> UUID:
        locked = await store.lock_hold(saga_id)
        situation = await store.read_situation_of(saga_id, self._terms.grace)
        hold = _must_live(situation.hold)
        if not locked:
            raise TryAgain("the hold is being made")
        if hold.state is HoldState.CONFIRMED:
            return hold.block_id
        has_both_claims = situation.claim_count == CLAIMS_OF_A_HOLD
        still_stands = has_both_claims and hold.expires_at + self._terms.grace > situation.now
        if hold.order.lesson.start <= situation.now and not still_stands:
            raise TooSoon("the lesson has begun")
        if has_both_claims:
            await store.confirm(saga_id)
        else:
            await self._claim_again(store, hold, situation)
        return hold.block_id

    async def _claim_again(self, store: HoldStore, hold: Hold, situation: Situation) -> None:
        """Claim the time of a paid hold that lapsed and lost a claim. Hours and notice were checked when it was made."""
        _must_be_free(situation.conflicts)
        await store.evict(situation.conflicts.lapsed)
        await store.claim_again(hold.order.saga_id)

    async def _release(self, store: HoldStore, saga_id: UUID) -> None:
        if await store.lock_hold(saga_id):
            await store.release(saga_id)
        elif not await store.leave_tombstone(saga_id) and await store.lock_hold(saga_id):
            await store.release(saga_id)  # the hold was inserted meanwhile


def price(schedule: Schedule, minutes: int) -> Money:
    """Rate × minutes / 60, rounded half-even to what can be charged. Raises BadInput when the provider cannot charge it.

    Only a rate of 0 makes a lesson free.
    """
    cost = schedule.rate.for_minutes(minutes)
    if not cost.is_payable or (schedule.rate.amount_minor and not cost.amount_minor):
        raise BadInput(f"the price of such a lesson {cost.payable_amounts}", field="duration_minutes")
    return cost


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
    return TimedHold(hold, (hold.expires_at - situation.now) / SECOND)
