"""I1: calendars. I6: effects that exist more than once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from itertools import chain

from ops.audit.snapshot import Breach, Snapshot, grouped
from ops.audit.things import BY_HAND, Claim


def overlapping_claims(snapshot: Snapshot) -> Iterator[Breach]:
    """I1: no two live claims on one calendar overlap, buffers included."""
    for calendar_id, claims in grouped(snapshot.claims, lambda claim: claim.calendar_id).items():
        ordered = sorted(claims, key=lambda claim: (claim.start, claim.end, claim.id))
        longest = ordered[0]
        for claim in ordered[1:]:
            if claim.start < longest.end:
                yield _overlap(calendar_id, longest, claim)
            longest = max(longest, claim, key=lambda each: each.end)


def repeated_effects(snapshot: Snapshot) -> Iterator[Breach]:
    """I6: claims, bookings, sessions, payments and refunds exist at most once per saga and step, sagas per booking.

    Intents that exist twice are I4's while they can be paid and I2's while they hold money; after that a stray one was
    settled, which is as good as it gets.
    """
    yield from _repeated("claim on one calendar", ((c.saga_id, c.calendar_id, c.id) for c in snapshot.claims))
    yield from _repeated("booking", ((b.saga_id, "", b.id) for b in snapshot.bookings))
    yield from _repeated("session", ((s.saga_id, "", s.id) for s in snapshot.sessions))
    yield from _repeated("payment", ((p.saga_id, "", p.id) for p in snapshot.payments))
    yield from _repeated("purchase", ((s.booking_id, "", s.id) for s in snapshot.sagas if s.sells_a_lesson))
    yield from _repeated("cancel", ((s.booking_id, "", s.id) for s in snapshot.sagas if s.takes_a_lesson_back))
    refunds = chain.from_iterable(snapshot.refunds_by_intent.values())
    live = (refund for refund in refunds if refund.status != "FAILED" and refund.reason != BY_HAND)
    yield from _repeated("refund for one reason", ((r.intent_id, r.reason, r.id) for r in live))


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
