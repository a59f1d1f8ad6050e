"""GET /manage/{token}: where a purchase stands, the way into the lesson, its calendar file, and its end by cancelling."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from bff.pages import shapes
from bff.pages.asking import Links, check_token
from bff.pages.calendar_file import write_lesson
from bff.pages.languages import reader_of
from bff.pages.problems import page_or_problem
from bff.pages.render import page
from bff.pages.words import describe_purchase
from bff.peers import READ_SECONDS
from mesh.errors import NotFound
from tutormesh.payment.v1 import link_pb2

PATH: Final = "/manage/{token}"
CALENDAR_PATH: Final = "/manage/{token}/lesson.ics"


class ManagePage:
    """The page, in the words of the link's person, and the lesson as a calendar file. Both only read."""

    def __init__(self, links: Links) -> None:
        self._links = links

    async def serve(self, request: Request) -> Response:
        return await page_or_problem(request, PATH, self._serve)

    async def serve_calendar(self, request: Request) -> Response:
        return await page_or_problem(request, CALENDAR_PATH, self._serve_calendar)

    async def _serve(self, request: Request) -> Response:
        opened = await self._open(request)
        reader = reader_of(request)
        words = describe_purchase(reader, opened.purchase, datetime.now(UTC))
        return page(
            request,
            "manage.html",
            reader=reader,
            words=words,
            state=shapes.purchase(reader, opened),
            person="tutor" if words.is_tutors else "student",
            calendar=f"/manage/{request.path_params['token']}/lesson.ics?lang={reader.language}",
        )

    async def _serve_calendar(self, request: Request) -> Response:
        purchase = (await self._open(request)).purchase
        if not (purchase.booking_id and purchase.HasField("start_time") and purchase.HasField("end_time")):
            raise NotFound
        content = write_lesson(reader_of(request), purchase, datetime.now(UTC))
        headers = {"content-disposition": 'attachment; filename="lesson.ics"'}
        return Response(content, headers=headers, media_type="text/calendar")

    async def _open(self, request: Request) -> link_pb2.OpenPurchaseResponse:
        token = check_token(request.path_params["token"])
        async with self._links.turn(request):
            asked = link_pb2.OpenPurchaseRequest(token=token)
            return await self._links.service.OpenPurchase(asked, timeout=READ_SECONDS)
