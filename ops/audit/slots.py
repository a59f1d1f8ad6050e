"""I1: calendars and seats. I6: effects that exist more than once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from itertools import chain

from ops.audit.snapshot import Breach, Snapshot, grouped
from ops.audit.things import BY_HAND, Claim


def sold_twice(snapshot: Snapshot) -> Iterator[Breach]:
    """I1: no two live claims on one calendar overlap, buffers included; no course has more students than seats."""
    yield from _overlaps(snapshot)
    yield from _oversold(snapshot)


def _overlaps(snapshot: Snapshot) -> Iterator[Breach]:
    for calendar_id, claims in grouped(snapshot.claims, lambda claim: claim.calendar_id).items():
        ordered = sorted(claims, key=lambda claim: (claim.start, claim.end, claim.id))
        longest = ordered[0]
        for claim in ordered[1:]:
            if claim.start < longest.end:
                yield _overlap(calendar_id, longest, claim)
            longest = max(longest, claim, key=lambda each: each.end)


def repeated_effects(snapshot: Snapshot) -> Iterator[Breach]:
    """I6: each effect exists at most once per saga and step, and each kind of saga once per booking or enrollment.

    Intents that exist twice are I4's while they can be paid and I2's while they hold money; after that a stray one was
    settled, which is as good as it gets.
    """
    yield from _repeated("claim on one calendar", ((c.saga_id, c.calendar_id, c.id) for c in snapshot.claims))
    yield from _repeated("booking", ((b.saga_id, "", b.id) for b in snapshot.bookings))
    yield from _repeated("session", ((s.saga_id, "", s.id) for s in snapshot.sessions))
    yield from _repeated("payment", ((p.saga_id, "", p.id) for p in snapshot.payments))
    yield from _repeated("enrollment", ((e.saga_id, "", e.id) for e in snapshot.enrollments))
    yield from _repeated("purchase", ((s.sold_id, "", s.id) for s in snapshot.sagas if s.sells))
    yield from _repeated("cancel", ((s.sold_id, "", s.id) for s in snapshot.sagas if s.takes_back))
    refunds = chain.from_iterable(snapshot.refunds_by_intent.values())
    live = (refund for refund in refunds if refund.status != "FAILED" and refund.reason != BY_HAND)
    yield from _repeated("refund for one reason", ((r.intent_id, r.reason, r.id) for r in live))


def _oversold(snapshot: Snapshot) -> Iterator[Breach]:
    """A seat is taken by who is active, or by a hold that has not given way: which of them have is not told."""
    for course in snapshot.courses:
        live = Counter(each.status for each in snapshot.enrollments_by_course.get(course.id, []))
        active, held = live["ACTIVE"], live["PAYMENT_REQUIRED"]
        if course.seats and max(active, course.seats_taken) > course.seats:
            told = f"course {course.id} has {course.seats} seats, {course.seats_taken} taken, {active} students"
            yield Breach(
                "I1", (course.id,), told, "cancel who came last; then find out why course_never_oversold failed"
            )
        if not active <= course.seats_taken <= active + held:
            told = f"course {course.id} counts {course.seats_taken} seats taken by {active} students and {held} holds"
            yield Breach(
                "I1", (course.id,), told, "find out who changed an enrollment by hand, and put the count right"
            )


def _overlap(calendar_id: str, first: Claim, second: Claim) -> Breach:
    return Breach(
        "I1",
        (calendar_id, first.id, second.id),
        f"claims {first.id} ({first.state}, saga {first.saga_id or 'none'}) and {second.id} ({second.state},"
        f" saga {second.saga_id or 'none'}) overlap on calendar {calendar_id}",
        "cancel one of the two lessons, or remove the block; then find out why claim_no_overlap did not hold",
    )


def _repeated(kind: str, effects: Iterable[tuple[str, Hashable, str]]) -> Iterator[Breach]:
    """`effects`: owner (a saga, an intent or a booking), step, id. An effect without an owner (a block) may be repeated."""
    for (owner, _), same in grouped((e for e in effects if e[0]), lambda effect: effect[:2]).items():
        if len(same) > 1:
            ids = sorted(effect[2] for effect in same)
            yield Breach(
                "I6",
                (owner, *ids),
                f"{owner} has more than one {kind}: {', '.join(ids)}",
                "undo the ones too many by hand; then find out why a repeated step made another",
            )
