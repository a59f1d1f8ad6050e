"""The lists, as an app asks for them over GraphQL: the busy tutor's slots, and what the busy student has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.growth.people import made
from bench.lessons import LessonFailed, Shop

_PAGE = "pageInfo { hasNextPage endCursor }"
_SLOTS = """query ($tutor: ID!, $from: AWSDateTime!, $to: AWSDateTime!) {
  tutorAvailability(tutorId: $tutor, from: $from, to: $to) { start end }
}"""
#: Each list by its name, with its document; `slots` also has variables.
LISTINGS: Mapping[str, str] = {
    "slots of a busy tutor": _SLOTS,
    "getMySessions": f"{{ getMySessions {{ nodes {{ id scheduledAt status }} {_PAGE} }} }}",
    "getMyBookings": f"{{ getMyBookings {{ nodes {{ id status }} {_PAGE} }} }}",
    "getPaymentHistory": f"{{ getPaymentHistory {{ nodes {{ id status amount {{ amountMinor }} }} {_PAGE} }} }}",
    "tutors": f"{{ tutors {{ nodes {{ id timezone }} {_PAGE} }} }}",
    "courses": f"{{ courses {{ nodes {{ id title }} {_PAGE} }} }}",
}


async def list_once(shop: Shop, name: str) -> None:
    """Ask for a list: what one has as the busy student, what all see as somebody new, whom no rate limit knows.

    Raises LessonFailed when it is refused or has nothing.
    """
    student = shop.token("student", made("student", 0)) if name.startswith("get") else shop.new_student()
    now = datetime.now(UTC)
    dates = {"from": now + timedelta(days=1), "to": now + timedelta(days=8)}
    given: dict[str, Any] = {"tutor": made("tutor", 0), **{name: at.isoformat() for name, at in dates.items()}}
    found = await shop.app.query(student, LISTINGS[name], given if LISTINGS[name] is _SLOTS else {})
    if not (found if isinstance(found, list) else found["nodes"]):
        raise LessonFailed(f"{name} has nothing")
