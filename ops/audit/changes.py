"""Read what has changed since a mark, and with it all that belongs to it, wherever that lies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from mesh import clock
from ops.audit.collect import PROVIDER_SECONDS, TIMEOUT_SECONDS, read_belonging, read_open_sagas, together
from ops.audit.records import Saga
from ops.audit.spool import Record, Spool
from ops.peers import SERVICES, Peers
from tutormesh.availability.v1 import availability_pb2
from tutormesh.booking.v1 import booking_pb2
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import saga_pb2
from tutormesh.session.v1 import session_pb2

#: Ids per call: what the lists take.
IDS = 200
PROVIDER = "provider"
_REQUESTS: Mapping[str, Any] = {
    "availability": availability_pb2.ListChangedIdsRequest,
    "booking": booking_pb2.ListChangedIdsRequest,
    "learning": learning_pb2.ListChangedIdsRequest,
    "payment": saga_pb2.ListChangedIdsRequest,
    "session": session_pb2.ListChangedIdsRequest,
}


class MarkLost(Exception):
    """A database is another one, or was restored; or the provider has forgotten its events. Everything has to be read."""


class _Page(Protocol):
    """A page of the ids about which something has changed."""

    mark: str
    is_mark_lost: bool
    next_page_token: str


async def read_marks(peers: Peers) -> dict[str, str]:
    """Where the lists of changes stand now, by service, and at the provider. Raises NoAnswer, or a service's refusal."""
    marks: dict[str, str] = {}

    async def read(name: str) -> None:
        marks[name] = (await _ask(peers, name, "", ""))[0].mark

    await together(read(name) for name in (*SERVICES, PROVIDER))
    return marks


async def collect_changes(
    peers: Peers, since: Mapping[str, str], suspects: Iterable[str]
) -> tuple[Spool, dict[str, str]]:
    """What has changed since these marks, what belongs to the suspects, and every open saga; and the marks of now.

    Close the spool. Raises MarkLost, NoAnswer, or the refusal of a service.
    """
    spool, marks = Spool(clock.now(), follows=True), dict[str, str]()
    try:
        await together(
            _follow_changes(peers, name, since.get(name, ""), spool, marks) for name in (*SERVICES, PROVIDER)
        )
        spool.follow(suspects)
        await read_open_sagas(peers, lambda sagas: _keep_open(spool, sagas))
        while ids := spool.take_unasked(IDS):
            await read_belonging(peers, ids, spool.add)
    except BaseException:
        spool.close()
        raise
    return spool, marks


def _keep_open(spool: Spool, sagas: Iterable[Record]) -> None:
    """Nothing else is asked about an open sale: its records need not agree yet. A cancel is judged by its purchase."""
    for each in sagas:
        if isinstance(each, Saga) and each.cancels:
            spool.add([each])
        else:
            spool.add_alone([each])


async def _follow_changes(peers: Peers, name: str, since: str, spool: Spool, marks: dict[str, str]) -> None:
    page, ids = await _ask(peers, name, since, "")
    if page.is_mark_lost or not since:
        raise MarkLost
    marks[name] = page.mark
    spool.follow(ids)
    while page.next_page_token:
        page, ids = await _ask(peers, name, since, page.next_page_token)
        spool.follow(ids)


async def _ask(peers: Peers, name: str, mark: str, token: str) -> tuple[_Page, Iterable[str]]:
    if name == PROVIDER:
        events = saga_pb2.ListIntentsOfEventsRequest(mark=mark, page_token=token)
        with peers.calling("payment"):
            found = await peers.sagas.ListIntentsOfEvents(events, timeout=PROVIDER_SECONDS)
        return found, found.intent_ids
    stub: Any = peers.sagas if name == "payment" else getattr(peers, name)
    ask: Callable[..., Awaitable[Any]] = stub.ListChangedIds
    with peers.calling(name):
        page = await ask(_REQUESTS[name](mark=mark, page_token=token), timeout=TIMEOUT_SECONDS)
    return page, page.ids
