"""/api/v1/courses: list the published ones, see one, make a draft, publish it."""

from __future__ import annotations

from uuid import UUID, uuid4, uuid5

from starlette.responses import Response

from bff.http import envelope
from bff.peers import READ_SECONDS
from bff.rest.course_shapes import COURSE, MOST_SEATS
from bff.rest.endpoints import ANYBODY, Endpoint, RestRequest
from bff.rest.fields import Fields
from bff.rest.json_schema import Schema
from bff.rest.operations import IDEMPOTENCY_KEY, describe, in_path, in_query
from bff.rest.shapes import to_json
from mesh import wire
from mesh.errors import BadInput, NotFound
from tutormesh.learning.v1 import learning_pb2

PATH = "/api/v1/courses"
DEFAULT_PAGE = 20
#: The courses whose text is about as long as what one unit of the rate pays for.
COURSES_PER_UNIT = 10
#: Derives a course's id from its client's key. If it changed, a repeat would no longer be recognized.
NAMESPACE = UUID("2f5c9a0e-3b1d-4d5e-9b0a-6a7c1e8d4f20")
NAMES = {
    "instructor_id": "instructor_uuid",
    "course_id": "uuid",
    "price": "price_amount",
    "page_size": "first",
    "page_token": "after",
}
OWNERS = frozenset({"tutor", "admin", "service"})


async def list_courses(request: RestRequest) -> Response:
    """200 with a page of the published courses, newest first."""
    query = request.query()
    size = wire.whole(query.query_number("first", DEFAULT_PAGE), "first", 1, wire.MAX_PAGE)
    wanted = learning_pb2.ListCoursesRequest(page_size=size, page_token=query.optional_text("after") or "")
    with request.reserve(size // COURSES_PER_UNIT):
        reply = await request.peers.learning.ListCourses(wanted, timeout=READ_SECONDS)
    data = {
        "courses": [to_json(COURSE, course) for course in reply.courses],
        "has_next_page": bool(reply.next_page_token),
        "end_cursor": reply.cursors[-1] if reply.cursors else reply.next_page_token or None,
    }
    return envelope.success("the published courses", data)


async def show(request: RestRequest) -> Response:
    """200 with a published course, or with a draft of the caller's."""
    wanted = learning_pb2.GetCourseRequest(course_id=request.path_uuid("uuid"))
    reply = await request.peers.learning.GetCourse(wanted, timeout=READ_SECONDS)
    if request.is_anonymous and not reply.course.published:  # learning_svc of the version before sends drafts too
        raise NotFound
    return envelope.success("the course", to_json(COURSE, reply.course))


async def create(request: RestRequest) -> Response:
    """200 with the draft. A repeated request gets the course as it is now; the key with another body is refused."""
    key, order = request.idempotency_key(), _read_course(request.read_body())
    instructor = order.instructor_id or str(request.person.id)
    order.course_id = str(uuid5(NAMESPACE, f"{request.person.id}:{instructor}:{key}") if key else uuid4())
    made = (await request.peers.learning.CreateCourse(order, timeout=READ_SECONDS)).course
    return envelope.success("the course is made", to_json(COURSE, made), {"location": f"{PATH}/{made.id}"})


async def publish(request: RestRequest) -> Response:
    """200 with the published course, also when it was published before."""
    wanted = learning_pb2.PublishCourseRequest(course_id=request.path_uuid("uuid"))
    reply = await request.peers.learning.PublishCourse(wanted, timeout=READ_SECONDS)
    return envelope.success("the course is published", to_json(COURSE, reply.course))


def _read_course(fields: Fields) -> learning_pb2.CreateCourseRequest:
    title = fields.text("title")
    price = fields.money("price_amount", fields.currency("currency"))
    return learning_pb2.CreateCourseRequest(
        title=title,
        price=wire.to_money(price),
        seats=_read_seats(fields),
        instructor_id=fields.optional_uuid("instructor_uuid") or "",
        exact_repeat=True,
    )


def _read_seats(fields: Fields) -> int:
    """How many seats there are; 0 for no limit."""
    seats = fields.values.get("seats")
    if seats is None:
        return 0
    if not isinstance(seats, int) or isinstance(seats, bool):
        raise BadInput("must be a whole number", field="seats")
    return wire.whole(seats, "seats", 1, MOST_SEATS)


_UUID = in_path("uuid", "The course.")
_PAGE: Schema = {"type": "integer", "minimum": 1, "maximum": wire.MAX_PAGE, "default": DEFAULT_PAGE}
_LIST = describe(
    "courses",
    "The published courses, newest first",
    in_query("first", _PAGE, "The size of the page."),
    in_query("after", {"type": "string"}, "`end_cursor` of the page before."),
    answer="Courses",
)
_SHOW = describe("course", "A course", _UUID, answer="Course")
_CREATE = describe("createCourse", "Make a draft of a course", IDEMPOTENCY_KEY, body="NewCourse", answer="Course")
_PUBLISH = describe("publishCourse", "Let students enroll", _UUID, answer="Course")
ENDPOINTS = (
    Endpoint("GET", PATH, ANYBODY, list_courses, _LIST, NAMES, is_open=True),
    Endpoint("POST", PATH, OWNERS, create, _CREATE, NAMES),
    Endpoint("GET", f"{PATH}/{{uuid}}", ANYBODY, show, _SHOW, NAMES, is_open=True),
    Endpoint("POST", f"{PATH}/{{uuid}}/publish", OWNERS, publish, _PUBLISH, NAMES),
)
