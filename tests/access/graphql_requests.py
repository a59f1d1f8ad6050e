"""The GraphQL request of each row of the table, about the records of a scene."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.access.scene import Scene
from tests.people import WEEK

GraphqlRequest = tuple[str, dict[str, Any]]
Build = Callable[[Scene], Awaitable[GraphqlRequest]]
GRAPHQL_REQUESTS: dict[str, Build] = {}

PRICE = {"amountMinor": 5000, "currency": "USD"}
ERRORS = "userErrors { code message }"
BOOK = f"mutation($tutor: ID!, $time: AWSDateTime!) {{ bookSession(tutorId: $tutor, time: $time) {{ {ERRORS} }} }}"
PUBLISH = f"mutation($input: PublishAvailabilityInput!) {{ publishAvailability(input: $input) {{ {ERRORS} }} }}"
BLOCK = f"mutation($start: AWSDateTime!, $end: AWSDateTime!) {{ blockTime(start: $start, end: $end) {{ {ERRORS} }} }}"
SLOTS = """query($tutor: ID!, $from: AWSDateTime!, $to: AWSDateTime!) {
  tutorAvailability(tutorId: $tutor, from: $from, to: $to) { start }
}"""
COURSE = "query($id: ID!) { course(id: $id) { id } }"
ENROLLMENTS = "{ getMyEnrollments { nodes { id course { id } payment { id } } } }"
CREATE = f"mutation($input: CreateCourseInput!) {{ createCourse(input: $input) {{ course {{ id }} {ERRORS} }} }}"
PUBLISH_COURSE = f"mutation($id: ID!) {{ publishCourse(id: $id) {{ course {{ id }} {ERRORS} }} }}"
ENROLL = f"mutation($id: ID!) {{ enrollInCourse(courseId: $id) {{ enrollment {{ id }} {ERRORS} }} }}"
#: Session, payment and timeline are as visible as their booking.
BOOKING = "query($id: ID!) { booking(id: $id) { id session { id } payment { id } timeline { event } } }"


def asks(name: str, query: str, **variables: Callable[[Scene], Any]) -> None:
    """Register the request of a row that reads, or that can be repeated."""

    async def built(scene: Scene) -> GraphqlRequest:
        return query, {variable: value(scene) for variable, value in variables.items()}

    GRAPHQL_REQUESTS[name] = built


def changes(name: str, query: str, id: Callable[[Scene], Awaitable[Any]]) -> None:
    """Register the request of a row that needs a new record for each caller; its id is `$id`."""

    async def built(scene: Scene) -> GraphqlRequest:
        return query, {"id": await id(scene)}

    GRAPHQL_REQUESTS[name] = built


async def _new_booking(scene: Scene) -> str:
    return (await scene.book()).booking


async def _new_enrollment(scene: Scene) -> str:
    return (await scene.enroll()).id


async def _new_course(scene: Scene) -> str:
    return (await scene.make_course()).id


async def _new_draft(scene: Scene) -> str:
    return (await scene.make_course(published=False)).id


async def _new_block(scene: Scene) -> str:
    return await scene.block()


async def _my_blocks(scene: Scene) -> GraphqlRequest:
    await scene.block()
    return "{ myBlocks { nodes { id } } }", {}


async def _new_session(scene: Scene) -> str:
    return (await scene.sell()).session


def _hours(_: Scene) -> dict[str, Any]:
    weekly = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in WEEK]
    return {"timezone": "UTC", "weekly": weekly, "rate": PRICE}


def _time(scene: Scene) -> str:
    return scene.time().isoformat()


asks("Query.tutorAvailability", SLOTS, tutor=lambda scene: str(scene.tutor), **{"from": _time, "to": _time})
asks("Query.tutors", "{ tutors { nodes { id displayName rate { display } nextFreeTime } } }")
asks("Query.myAvailability", "{ myAvailability { timezone } }")
GRAPHQL_REQUESTS["Query.myBlocks"] = _my_blocks
asks("Query.booking", BOOKING, id=lambda scene: scene.lesson.booking)
asks("Query.getMyBookings", "{ getMyBookings { nodes { id session { id } payment { id } } } }")
asks("Query.getMySessions", "{ getMySessions { nodes { id } } }")
asks("Query.getSessionDetails", "query($id: ID!) { getSessionDetails(id: $id) { id } }", id=lambda s: s.lesson.session)
asks("Query.getPaymentHistory", "{ getPaymentHistory { nodes { id } } }")
asks(
    "Query.cancellationQuote",
    "query($id: ID!) { cancellationQuote(bookingId: $id) { percent } }",
    id=lambda scene: scene.lesson.booking,
)
asks("Query.getTutorPayments", "{ getTutorPayments { nodes { id } } }")
asks("Query.saga", "query($id: ID!) { saga(id: $id) { state isComplete } }", id=lambda scene: scene.lesson.saga)
asks("Query.courses", "{ courses { nodes { id } } }")
asks("Query.course: a draft", COURSE, id=lambda scene: scene.draft.id)
asks("Query.course: published", COURSE, id=lambda scene: scene.course.id)
asks("Query.getMyEnrollments", ENROLLMENTS)
asks(
    "Query.enrollmentQuote",
    "query($id: ID!) { enrollmentQuote(enrollmentId: $id) { percent } }",
    id=lambda scene: scene.enrollment.id,
)
asks("Mutation.bookSession", BOOK, tutor=lambda scene: str(scene.tutor), time=_time)
asks("Mutation.publishAvailability", PUBLISH, input=_hours)
asks("Mutation.blockTime", BLOCK, start=_time, end=_time)
changes("Mutation.removeBlock", f"mutation($id: ID!) {{ removeBlock(id: $id) {{ {ERRORS} }} }}", _new_block)
changes(
    "Mutation.cancelBooking", f"mutation($id: ID!) {{ cancelBooking(bookingId: $id) {{ {ERRORS} }} }}", _new_booking
)
changes(
    "Mutation.cancelSession", f"mutation($id: ID!) {{ cancelSession(sessionId: $id) {{ {ERRORS} }} }}", _new_session
)
asks(
    "Mutation.refreshBooking",
    f"mutation($id: ID!) {{ refreshBooking(id: $id) {{ booking {{ id }} {ERRORS} }} }}",
    id=lambda scene: scene.lesson.booking,
)
changes("Mutation.enrollInCourse", ENROLL, _new_course)
changes(
    "Mutation.cancelEnrollment",
    f"mutation($id: ID!) {{ cancelEnrollment(enrollmentId: $id) {{ {ERRORS} }} }}",
    _new_enrollment,
)
asks("Mutation.createCourse", CREATE, input=lambda _: {"title": "Fractions", "price": PRICE})
changes("Mutation.publishCourse: a draft", PUBLISH_COURSE, _new_draft)
changes("Mutation.publishCourse: published", PUBLISH_COURSE, _new_course)

#: The key of each entity, out of a scene.
KEYS: dict[str, Callable[[Scene], Any]] = {
    "Booking": lambda scene: scene.lesson.booking,
    "Session": lambda scene: scene.lesson.session,
    "Payment": lambda scene: scene.lesson.payment,
    "Course: a draft": lambda scene: scene.draft.id,
    "Course: published": lambda scene: scene.course.id,
    "Enrollment": lambda scene: scene.enrollment.id,
    "User": lambda scene: str(scene.tutor),
}


def entity(scene: Scene, name: str) -> GraphqlRequest:
    """The request of a gateway for one entity."""
    representation = {"__typename": name.partition(":")[0], "id": KEYS[name](scene)}
    return "query($of: [_Any!]!) { _entities(representations: $of) { __typename } }", {"of": [representation]}
