"""A saga's claim on two calendars: hold, confirm, release. Each is one transaction, idempotent under the saga's id."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from availability_svc import hours
from availability_svc.domain import (
    Granted,
    Hold,
    HoldState,
    IdempotencyMismatch,
    InTheWay,
    OutsideWorkingHours,
    Schedule,
    SlotTaken,
    StudentBusy,
    Terms,
    Tombstone,
    TooManyHolds,
    TooSoon,
    TutorNotFound,
    Wish,
)
from availability_svc.store import HoldStanding, HoldStore
from mesh.database import Database
from mesh.errors import BadInput, Cancelled, NotFound, TryAgain
from mesh.money import Money

SECOND = timedelta(seconds=1)
#: A lesson lies on two calendars.
BOTH = 2


class Holds:
    """Decides who gets a time. The database's clock and the calendars' locks are its only sense of order."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database, self._terms = database, terms

    async def hold(self, wish: Wish) -> Granted:
        """Claim both calendars until the hold ends; a repeat of the saga gives the first answer.

        Raises TutorNotFound, Cancelled, OutsideWorkingHours, TooSoon, SlotTaken (before) StudentBusy, TooManyHolds.
        """
        return await self._database.transaction(lambda connection: self._hold(HoldStore(connection), wish))

    async def confirm(self, saga_id: UUID) -> UUID:
        """Turn the hold into a lesson, winning its time again when it has lost it; the tutor's claim.

        Raises NotFound, Cancelled, TooSoon (the lesson has begun), SlotTaken (before) StudentBusy.
        """
        return await self._database.transaction(lambda connection: self._confirm(HoldStore(connection), saga_id))

    async def release(self, saga_id: UUID) -> None:
        """Free both calendars, and refuse a hold of this saga that arrives later."""
        await self._database.transaction(lambda connection: self._release(HoldStore(connection), saga_id))

    async def _hold(self, store: HoldStore, wish: Wish) -> Granted:
        await store.lock(wish.tutor_id, wish.student_id)
        standing = await store.standing(wish, self._terms.grace)
        if standing.schedule is None:
            raise TutorNotFound
        if standing.hold is None:
            hold = self._granted(wish, standing.schedule, standing)
            await store.evict(standing.in_the_way.lapsed)
            if await store.insert(hold):
                return _told(hold, standing)
            standing = await store.standing(wish, self._terms.grace)  # a tombstone was being laid meanwhile
        return _told(_repeated(wish, standing.hold), standing)

    def _granted(self, wish: Wish, schedule: Schedule, standing: HoldStanding) -> Hold:
        """The hold this wish gets; or the first reason, in the contract's order, why it gets none."""
        lesson, now = wish.lesson, standing.now
        if lesson.start > now and not hours.covers(schedule.hours, lesson):
            raise OutsideWorkingHours
        if schedule.too_soon(lesson.start, now):
            raise TooSoon
        _must_be_free(standing.in_the_way)
        if standing.unpaid >= self._terms.max_unpaid:
            raise TooManyHolds
        expires_at = min(now + self._terms.hold, lesson.start)
        return Hold(wish, schedule.buffer, price(schedule, wish.minutes), uuid4(), expires_at)

    async def _confirm(self, store: HoldStore, saga_id: UUID) -> UUID:
        locked = await store.lock_of(saga_id)
        standing = await store.standing_of(saga_id, self._terms.grace)
        hold = _living(standing.hold)
        if not locked:
            raise TryAgain("the hold is being made")
        if hold.state is HoldState.CONFIRMED:
            return hold.block_id
        is_still_kept = standing.rows == BOTH and hold.expires_at + self._terms.grace > standing.now
        if hold.wish.lesson.start <= standing.now and not is_still_kept:
            raise TooSoon("the lesson has begun")
        if standing.rows == BOTH:
            await store.confirm(saga_id)
        else:
            await self._win_again(store, hold, standing)
        return hold.block_id

    async def _win_again(self, store: HoldStore, hold: Hold, standing: HoldStanding) -> None:
        """A paid hold that lapsed and lost a row. It was granted once, so hours and notice do not matter any more."""
        _must_be_free(standing.in_the_way)
        await store.evict(standing.in_the_way.lapsed)
        await store.win(hold.wish.saga_id)

    async def _release(self, store: HoldStore, saga_id: UUID) -> None:
        if await store.lock_of(saga_id):
            await store.release(saga_id)
        elif not await store.bury(saga_id) and await store.lock_of(saga_id):
            await store.release(saga_id)  # the hold was being made meanwhile


def price(schedule: Schedule, minutes: int) -> Money:
    """Rate × minutes / 60, rounded half-even. Raises BadInput when no payment could be that large."""
    try:
        return schedule.rate.for_minutes(minutes)
    except ValueError:
        raise BadInput("the price of so long a lesson is out of range", field="duration_minutes") from None


def _must_be_free(in_the_way: InTheWay) -> None:
    """The tutor's calendar is asked first: SLOT_TAKEN names no cause."""
    if in_the_way.on_tutor:
        raise SlotTaken
    if in_the_way.on_student:
        raise StudentBusy


def _living(found: Hold | Tombstone | None) -> Hold:
    if found is None:
        raise NotFound
    if isinstance(found, Tombstone) or found.state is HoldState.RELEASED:
        raise Cancelled
    return found


def _repeated(wish: Wish, found: Hold | Tombstone | None) -> Hold:
    hold = _living(found)
    if hold.wish != wish:
        raise IdempotencyMismatch("this saga holds another time")
    return hold


def _told(hold: Hold, standing: HoldStanding) -> Granted:
    return Granted(hold, (hold.expires_at - standing.now) / SECOND)
