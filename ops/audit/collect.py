"""Read what the mesh and the provider hold over gRPC, page by page. No transaction spans the pages."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from mesh import clock
from mesh.errors import Refusal
from ops.audit import convert
from ops.audit.records import Booking, Claim, Course, Enrollment, Intent, Payment, Saga, Session
from ops.audit.snapshot import Snapshot
from ops.audit.spool import FIELDS, Record, Spool
from ops.peers import Peers
from tutormesh.availability.v1 import availability_pb2 as availability
from tutormesh.booking.v1 import booking_pb2 as booking
from tutormesh.learning.v1 import learning_pb2 as learning
from tutormesh.payment.v1 import payment_pb2 as payment
from tutormesh.payment.v1 import saga_pb2 as saga
from tutormesh.session.v1 import session_pb2 as session

T = TypeVar("T")
Page = tuple[list[T], str]
#: A page of a list behind a token; or, with ids, what belongs to these ids.
ReadPage = Callable[[Peers, str, Sequence[str]], Awaitable[Page[Any]]]
#: Rows per page. The longest rows are bookings with a purpose; 500 of them stay well below gRPC's limit of 4 MiB.
ROWS = 500
#: Courses whose seats are counted in one statement.
COURSES = 20
#: payment_svc makes one more call to the provider for each refunded intent of a page.
INTENTS = 100
TIMEOUT_SECONDS, PROVIDER_SECONDS = 10, 60
#: The refusals that pass by themselves, and the seconds after which a page is asked for again.
PASSING = frozenset({"TRY_AGAIN", "PAYMENT_PROVIDER_UNAVAILABLE"})
PAUSES = (0.5, 2.0)


async def collect_snapshot(peers: Peers) -> Snapshot:
    """Read everything that the services and the provider hold. Raises NoAnswer, or the refusal of a service."""
    taken_at, kept = clock.now(), defaultdict[str, list[Record]](list)

    def keep(records: Iterable[Record]) -> None:
        for record in records:
            kept[FIELDS[type(record)]].append(record)

    await _read_all(peers, keep)
    return Snapshot(taken_at, **{name: tuple(records) for name, records in kept.items()})  # type: ignore[arg-type]


async def collect_everything(peers: Peers) -> Spool:
    """The same on disk, page by page; memory holds eight pages. Close it. Raises the same."""
    spool = Spool(clock.now())
    try:
        await _read_all(peers, spool.add)
    except BaseException:
        spool.close()
        raise
    return spool


async def read_belonging(peers: Peers, ids: Sequence[str], keep: Callable[[Iterable[Record]], None]) -> None:
    """Read what belongs to these ids, of ours and of the provider's. Raises what `collect_snapshot` raises."""
    ours = [each for each in ids if convert.is_ours(each)]
    theirs = [each for each in ids if not convert.is_ours(each)]

    async def read(page: ReadPage, some: Sequence[str]) -> None:
        if some:
            keep((await page(peers, "", some))[0])

    lists = [read(page, ours) for page in (_sagas, _claims, _bookings, _sessions, _courses, _enrollments)]
    await together([*lists, read(_payments, ids), read(_intents, theirs)])


async def read_open_sagas(peers: Peers, keep: Callable[[Iterable[Record]], None]) -> None:
    """Read the sagas that have not ended. They may become overdue without a change."""
    await _read_list(peers, _open_sagas, keep)


async def together(reads: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all of them at the same time. Raises the first failure as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in reads:
                group.create_task(each)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _read_all(peers: Peers, keep: Callable[[Iterable[Record]], None]) -> None:
    lists = (_sagas, _claims, _bookings, _sessions, _courses, _enrollments, _payments, _intents)
    await together(_read_list(peers, page, keep) for page in lists)


async def _read_list(peers: Peers, page: ReadPage, keep: Callable[[Iterable[Record]], None]) -> None:
    found, token = await _read_page(peers, page, "")
    keep(found)
    while token:
        found, token = await _read_page(peers, page, token)
        keep(found)


async def _read_page(peers: Peers, page: ReadPage, token: str) -> Page[Any]:
    """A page of a whole list. One slow answer must not end a look at a huge history: such a page is asked for again."""
    for pause in PAUSES:
        try:
            return await page(peers, token, ())
        except Refusal as refusal:
            if refusal.reason not in PASSING:
                raise
            await asyncio.sleep(pause)
    return await page(peers, token, ())


async def _sagas(peers: Peers, token: str, ids: Sequence[str]) -> Page[Saga]:
    return await _list_sagas(peers, saga.ListSagasRequest(page_size=ROWS, page_token=token, ids=ids))


async def _open_sagas(peers: Peers, token: str, ids: Sequence[str]) -> Page[Saga]:
    return await _list_sagas(peers, saga.ListSagasRequest(page_size=ROWS, page_token=token, open_only=True))


async def _list_sagas(peers: Peers, request: saga.ListSagasRequest) -> Page[Saga]:
    with peers.calling("payment"):
        page = await peers.sagas.ListSagas(request, timeout=TIMEOUT_SECONDS)
    return [convert.saga(row) for row in page.sagas], page.next_page_token


async def _claims(peers: Peers, token: str, ids: Sequence[str]) -> Page[Claim]:
    request = availability.ListClaimsRequest(page_size=ROWS, page_token=token, ids=ids)
    with peers.calling("availability"):
        page = await peers.availability.ListClaims(request, timeout=TIMEOUT_SECONDS)
    return [convert.claim(row) for row in page.claims], page.next_page_token


async def _bookings(peers: Peers, token: str, ids: Sequence[str]) -> Page[Booking]:
    request = booking.ListBookingsRequest(page_size=ROWS, page_token=token, ids=ids)
    with peers.calling("booking"):
        page = await peers.booking.ListBookings(request, timeout=TIMEOUT_SECONDS)
    return [convert.booking(row) for row in page.bookings], page.next_page_token


async def _sessions(peers: Peers, token: str, ids: Sequence[str]) -> Page[Session]:
    request = session.ListSessionsRequest(page_size=ROWS, page_token=token, ids=ids)
    with peers.calling("session"):
        page = await peers.session.ListSessions(request, timeout=TIMEOUT_SECONDS)
    return [convert.session(row) for row in page.sessions], page.next_page_token


async def _courses(peers: Peers, token: str, ids: Sequence[str]) -> Page[Course]:
    """The published courses; a draft has no students."""
    request = learning.ListSeatCountsRequest(page_size=COURSES, page_token=token, ids=ids)
    with peers.calling("learning"):
        page = await peers.learning.ListSeatCounts(request, timeout=TIMEOUT_SECONDS)
    return [convert.course(row) for row in page.counts], page.next_page_token


async def _enrollments(peers: Peers, token: str, ids: Sequence[str]) -> Page[Enrollment]:
    request = learning.ListEnrollmentsRequest(page_size=ROWS, page_token=token, ids=ids)
    with peers.calling("learning"):
        page = await peers.learning.ListEnrollments(request, timeout=TIMEOUT_SECONDS)
    return [convert.enrollment(row) for row in page.enrollments], page.next_page_token


async def _payments(peers: Peers, token: str, ids: Sequence[str]) -> Page[Payment]:
    request = payment.ListPaymentsRequest(page_size=ROWS, page_token=token, ids=ids)
    with peers.calling("payment"):
        page = await peers.payment.ListPayments(request, timeout=TIMEOUT_SECONDS)
    return [convert.payment(row) for row in page.payments], page.next_page_token


async def _intents(peers: Peers, token: str, ids: Sequence[str]) -> Page[Intent]:
    request = saga.ListProviderIntentsRequest(page_size=INTENTS, page_token=token, ids=ids)
    with peers.calling("payment"):
        page = await peers.sagas.ListProviderIntents(request, timeout=PROVIDER_SECONDS)
    return [convert.intent(row) for row in page.intents], page.next_page_token
