"""I6: no effect exists more than once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from itertools import chain

from ops.audit.records import BY_HAND
from ops.audit.snapshot import Breach, Snapshot, group_by


def find_duplicates(snapshot: Snapshot) -> Iterator[Breach]:
    """I6: each effect exists at most once per saga and step, and each kind of saga once per booking or enrollment.

    A second PaymentIntent of a saga is judged elsewhere: by I4 while it can be paid, by I2 while it holds money. One
    that was closed or refunded is no breach.
    """
    yield from _repeated("claim on one calendar", ((c.saga_id, c.calendar_id, c.id) for c in snapshot.claims))
    yield from _repeated("booking", ((b.saga_id, "", b.id) for b in snapshot.bookings))
    yield from _repeated("session", ((s.saga_id, "", s.id) for s in snapshot.sessions))
    yield from _repeated("payment", ((p.saga_id, "", p.id) for p in snapshot.payments))
    yield from _repeated("enrollment", ((e.saga_id, "", e.id) for e in snapshot.enrollments))
    yield from _repeated("purchase", ((s.sold_id, "", s.id) for s in snapshot.sagas if s.is_purchase))
    yield from _repeated("cancel", ((s.sold_id, "", s.id) for s in snapshot.sagas if s.is_valid_cancel))
    refunds = chain.from_iterable(snapshot.refunds_by_intent.values())
    live = (refund for refund in refunds if refund.status != "FAILED" and refund.reason != BY_HAND)
    yield from _repeated("refund for one reason", ((r.intent_id, r.reason, r.id) for r in live))


def _repeated(kind: str, effects: Iterable[tuple[str, Hashable, str]]) -> Iterator[Breach]:
    """The effects that share an owner and a step.

    An effect is (owner, step, id). Its owner is a saga, an intent or a booking; an effect without one may be repeated.
    """
    for (owner, _), same in group_by((e for e in effects if e[0]), lambda effect: effect[:2]).items():
        if len(same) > 1:
            ids = sorted(effect[2] for effect in same)
            yield Breach(
                "I6",
                (owner, *ids),
                f"{owner} has more than one {kind}: {', '.join(ids)}",
                "undo the ones too many by hand; then find out why a repeated step made another",
            )
