"""I1: no calendar and no course is sold twice."""

from __future__ import annotations

from collections.abc import Iterator

from ops.audit.records import Claim
from ops.audit.snapshot import Breach, Snapshot, group_by


def find_overbooking(snapshot: Snapshot) -> Iterator[Breach]:
    """I1: no two live claims on one calendar overlap, buffers included; no course has more students than seats."""
    yield from _find_overlaps(snapshot)
    yield from _find_oversold_courses(snapshot)


def _find_overlaps(snapshot: Snapshot) -> Iterator[Breach]:
    for calendar_id, claims in group_by(snapshot.claims, lambda claim: claim.calendar_id).items():
        ordered = sorted(claims, key=lambda claim: (claim.start, claim.end, claim.id))
        longest = ordered[0]
        for claim in ordered[1:]:
            if claim.start < longest.end:
                yield _overlap(calendar_id, longest, claim)
            longest = max(longest, claim, key=lambda each: each.end)


def _overlap(calendar_id: str, first: Claim, second: Claim) -> Breach:
    return Breach(
        "I1",
        (calendar_id, first.id, second.id),
        f"claims {first.id} ({first.state}, saga {first.saga_id or 'none'}) and {second.id} ({second.state},"
        f" saga {second.saga_id or 'none'}) overlap on calendar {calendar_id}",
        "cancel one of the two lessons, or remove the block; then find out why claim_no_overlap did not hold",
    )


def _find_oversold_courses(snapshot: Snapshot) -> Iterator[Breach]:
    """Active enrollments and live holds both count as taken seats. A count does not say which holds have expired."""
    for course in snapshot.courses:
        if course.seats and max(course.active, course.seats_taken) > course.seats:
            what = f"course {course.id} has {course.seats} seats, {course.seats_taken} taken, {course.active} students"
            do = "cancel who came last; then find out why course_never_oversold failed"
            yield Breach("I1", (course.id,), what, do)
        if not course.active <= course.seats_taken <= course.active + course.held:
            counted = f"{course.seats_taken} seats taken by {course.active} students and {course.held} holds"
            do = "find out who changed an enrollment by hand, and put the count right"
            yield Breach("I1", (course.id,), f"course {course.id} counts {counted}", do)
