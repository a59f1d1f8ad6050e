"""Pages of Stripe's lists: their items, and where the next page begins. One that cannot be read spoils no other."""

from __future__ import annotations

import contextlib
from typing import Any
from uuid import UUID

from mesh.logs import log
from payment_svc.domain import Intent, ProviderEvent
from payment_svc.providers.port import EventIgnored, Unreadable
from payment_svc.providers.stripe_objects import read_event, read_intent, read_list, read_saga_id


def read_page(page: Any) -> tuple[list[Any], str]:
    """The items of a page, unread, and the id after which the next page begins; empty on the last page."""
    items, has_more = read_list(page)
    if not has_more:
        return items, ""
    last = items[-1].get("id") if items and isinstance(items[-1], dict) else None
    if not isinstance(last, str) or not last:
        raise Unreadable("the list's last item has no id")
    return items, last


def read_listed(item: Any, needed: UUID | None) -> Intent | None:
    """An intent of a list; None when it is unreadable, and nobody needs it."""
    try:
        return read_intent(item)
    except Unreadable as error:
        saga_id = read_saga_id(item)
        if needed is not None and saga_id == needed:
            raise
        log().warning("intent_unreadable", saga_id=str(saga_id or ""), error=error.message)
        return None


def read_events(items: list[Any]) -> list[ProviderEvent]:
    """Those of the items that are about an intent."""
    found = []
    for item in items:
        with contextlib.suppress(EventIgnored):
            found.append(read_event(item))
    return found
