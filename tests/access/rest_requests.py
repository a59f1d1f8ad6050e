"""The REST request of each row of the table, about the records of a scene."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.access.scene import Scene

#: The names in the path, the query, and the body.
RestRequest = tuple[dict[str, str], dict[str, str], Any]
REST_REQUESTS: dict[str, Callable[[Scene, str], Awaitable[RestRequest]]] = {}
CALENDAR = "/api/v1/instructors/{uuid}/availability"


def request_of(*names: str) -> Callable[[Any], Any]:
    def register(build: Any) -> Any:
        REST_REQUESTS.update(dict.fromkeys(names, build))
        return build

    return register


def _lesson(start: datetime) -> dict[str, str]:
    return {"start_time": start.isoformat(), "end_time": (start + timedelta(hours=1)).isoformat()}


def _order(scene: Scene, student: UUID, **more: Any) -> RestRequest:
    body = {"student_uuid": str(student), "course_uuid": None, "instructor_uuid": str(scene.tutor)}
    return {}, {}, body | _lesson(scene.time()) | more


@request_of("POST /api/v1/bookings")
async def _for_the_student(scene: Scene, _: str) -> RestRequest:
    return _order(scene, scene.student)


@request_of("POST /api/v1/bookings: for oneself")
async def _for_oneself(scene: Scene, who: str) -> RestRequest:
    return _order(scene, scene.ids[who])


@request_of("POST /api/v1/bookings: at a price")
async def _at_a_price(scene: Scene, who: str) -> RestRequest:
    price = "9.00" if who == "service" else "50.00"
    return _order(scene, scene.student, price_amount=price, currency="USD")


@request_of("POST /api/v1/bookings: through another provider")
async def _through_another_provider(scene: Scene, _: str) -> RestRequest:
    return _order(scene, scene.student, payment_engine="callback")


@request_of("POST /api/v1/bookings/{uuid}/payment-callback")
async def _report(scene: Scene, _: str) -> RestRequest:
    return {"uuid": scene.lesson.booking}, {}, {"payment_reference": "r", "payment_status": "failed"}


@request_of("GET /api/v1/bookings")
async def _list_bookings(scene: Scene, _: str) -> RestRequest:
    return {}, {}, None


@request_of("GET /api/v1/bookings: a student's")
async def _list_bookings_of_the_student(scene: Scene, _: str) -> RestRequest:
    return {}, {"student_uuid": str(scene.student)}, None


@request_of("GET /api/v1/bookings: a tutor's")
async def _list_bookings_of_the_tutor(scene: Scene, _: str) -> RestRequest:
    return {}, {"instructor_uuid": str(scene.tutor)}, None


@request_of("GET /api/v1/bookings/{uuid}")
async def _get_booking(scene: Scene, _: str) -> RestRequest:
    return {"uuid": scene.lesson.booking}, {}, None


@request_of("POST /api/v1/bookings/{uuid}/cancel")
async def _cancel(scene: Scene, _: str) -> RestRequest:
    return {"uuid": (await scene.book()).booking}, {}, {}


@request_of(f"GET {CALENDAR}")
async def _slots(scene: Scene, _: str) -> RestRequest:
    begin, end = scene.time(), scene.time()
    query = {"from": begin.isoformat(), "to": end.isoformat(), "duration_minutes": "60"}
    return {"uuid": str(scene.tutor)}, query, None


@request_of(f"GET {CALENDAR}/schedule", f"GET {CALENDAR}/blocks")
async def _calendar(scene: Scene, _: str) -> RestRequest:
    return {"uuid": str(scene.tutor)}, {}, None


@request_of(f"POST {CALENDAR}/block")
async def _block(scene: Scene, _: str) -> RestRequest:
    return {"uuid": str(scene.tutor)}, {}, {"blocks": [_lesson(scene.time()) | {"reason": "dentist"}]}


@request_of(f"DELETE {CALENDAR}/block/{{blockUuid}}")
async def _unblock(scene: Scene, _: str) -> RestRequest:
    return {"uuid": str(scene.tutor), "blockUuid": await scene.block()}, {}, None


@request_of("POST /payment/create-intent")
async def _create_intent(scene: Scene, _: str) -> RestRequest:
    return {}, {}, {"bookingId": (await scene.book()).booking, "amount": "50.00", "currency": "USD"}


@request_of("GET /api/v1/courses", "GET /api/v1/instructors")
async def _courses(_: Scene, __: str) -> RestRequest:
    return {}, {}, None


@request_of("POST /api/v1/courses")
async def _make_course(scene: Scene, _: str) -> RestRequest:
    body = {"title": "Fractions", "price_amount": "50.00", "currency": "USD", "instructor_uuid": str(scene.tutor)}
    return {}, {}, body


@request_of("GET /api/v1/courses/{uuid}: a draft")
async def _draft(scene: Scene, _: str) -> RestRequest:
    return {"uuid": scene.draft.id}, {}, None


@request_of("GET /api/v1/courses/{uuid}: published")
async def _course(scene: Scene, _: str) -> RestRequest:
    return {"uuid": scene.course.id}, {}, None


@request_of("POST /api/v1/courses/{uuid}/publish: a draft")
async def _publish_draft(scene: Scene, _: str) -> RestRequest:
    return {"uuid": (await scene.make_course(published=False)).id}, {}, {}


@request_of("POST /api/v1/courses/{uuid}/publish: published")
async def _publish_course(scene: Scene, _: str) -> RestRequest:
    return {"uuid": scene.course.id}, {}, {}


@request_of("POST /api/v1/enrollments")
async def _enroll_the_student(scene: Scene, _: str) -> RestRequest:
    return {}, {}, {"student_uuid": str(scene.student), "course_uuid": (await scene.make_course()).id}


@request_of("POST /api/v1/enrollments: for oneself")
async def _enroll_oneself(scene: Scene, who: str) -> RestRequest:
    return {}, {}, {"student_uuid": str(scene.ids[who]), "course_uuid": (await scene.make_course()).id}


@request_of("GET /api/v1/enrollments/{uuid}")
async def _get_enrollment(scene: Scene, _: str) -> RestRequest:
    return {"uuid": scene.enrollment.id}, {}, None


@request_of("POST /api/v1/enrollments/{uuid}/cancel")
async def _cancel_enrollment(scene: Scene, _: str) -> RestRequest:
    return {"uuid": (await scene.enroll()).id}, {}, {}


@request_of("POST /api/v1/enrollments/{uuid}/payment-callback")
async def _report_enrollment(scene: Scene, _: str) -> RestRequest:
    return {"uuid": scene.enrollment.id}, {}, {"payment_reference": "r", "payment_status": "failed"}
