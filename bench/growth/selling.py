"""Really sell one lesson and one seat on a new mesh: the sample from which sales are made."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from bench.growth.fill import Sold
from bench.lessons import BOOK, DAYS, PUBLISH, Shop
from bench.mesh import Mesh
from devkit.databases import urls

_COURSE = (
    "mutation ($input: CreateCourseInput!) { createCourse(input: $input) { course { id } userErrors { message } } }"
)
_OPEN = "mutation ($id: ID!) { publishCourse(id: $id) { course { id } userErrors { message } } }"
_ENROLL = """mutation ($course: ID!) {
  enrollInCourse(courseId: $course) { clientSecret paymentIntentId userErrors { code message } }
}"""
_SALES = "select id, course_id from saga where is_complete and role = 'SALE'"
_UNTIL_SECONDS = 30
_PRICE = {"amountMinor": 5000, "currency": "USD"}


def urls_of(mesh: Mesh) -> dict[str, str]:
    """The URL of each service's database, for asyncpg."""
    return {name: url.replace("+asyncpg", "", 1) for name, url in urls(mesh.server_url).items()}


async def sell_a_sample(mesh: Mesh, shop: Shop) -> Sold:
    """A lesson and a seat, paid and COMPLETED, of people who buy and sell nothing else."""
    tutor, student, instructor, learner = (str(uuid.uuid4()) for _ in range(4))
    weekly = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in DAYS]
    await shop.app.ask(shop.token("tutor", tutor), PUBLISH, input={"timezone": "UTC", "weekly": weekly, "rate": _PRICE})
    start = (datetime.now(UTC) + timedelta(days=3)).replace(minute=0, second=0, microsecond=0)
    await shop.app.pay(await shop.app.ask(shop.token("student", student), BOOK, tutor=tutor, time=start.isoformat()))
    teaching = shop.token("tutor", instructor)
    course = (await shop.app.ask(teaching, _COURSE, input={"title": "Fractions", "price": _PRICE}))["course"]["id"]
    await shop.app.ask(teaching, _OPEN, id=course)
    await shop.app.pay(await shop.app.ask(shop.token("student", learner), _ENROLL, course=course))
    lesson, seat = await _wait_for_sales(urls_of(mesh)["payment"])
    return Sold(str(lesson), str(seat))


async def _wait_for_sales(url: str) -> list[UUID]:
    """The saga of the lesson and that of the seat, once both have ended."""
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(_UNTIL_SECONDS):
            while len(found := await connection.fetch(_SALES)) < 2:  # noqa: ASYNC110 - other processes sell
                await asyncio.sleep(0.1)
        return [sale["id"] for sale in sorted(found, key=lambda sale: sale["course_id"] is not None)]
    finally:
        await connection.close()
