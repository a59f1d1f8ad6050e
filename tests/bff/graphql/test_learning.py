"""Courses and enrollments: the RPC of each field, and its answers and refusals."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from grpc import StatusCode

from mesh.errors import BadInput, CallFailed, Forbidden, Refusal
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.learning.v1 import learning_pb2
from tutormesh.payment.v1 import payment_pb2

PRICE = Money(amount_minor=12000, currency="EUR")
COURSE = "{ id title instructorId price { amountMinor currency display } published seats seatsTaken }"
ERRORS = "userErrors { code message field retryable }"
CREATE = f"mutation($input: CreateCourseInput!) {{ createCourse(input: $input) {{ course {COURSE} {ERRORS} }} }}"
PUBLISH = f"mutation($id: ID!) {{ publishCourse(id: $id) {{ course {{ id published }} {ERRORS} }} }}"
ENROLL = f"""mutation($course: ID!, $key: String) {{ enrollInCourse(courseId: $course, idempotencyKey: $key) {{
  enrollment {{ id status payment {{ status }} }} clientSecret publishableKey paymentIntentId sagaId holdExpiresAt {ERRORS}
}} }}"""
QUOTE = """query($id: ID!) { enrollmentQuote(enrollmentId: $id) {
  refund { amountMinor display } percent rule token expiresAt } }"""
CANCEL = f"""mutation($id: ID!, $reason: String, $quote: String) {{
  cancelEnrollment(enrollmentId: $id, reason: $reason, quoteToken: $quote) {{
  enrollment {{ status }} refund {{ amountMinor display }} {ERRORS} }} }}"""
MINE = """query($after: String) { getMyEnrollments(first: 3, after: $after) {
  nodes { id courseId studentId status holdExpiresAt course { title } payment { status } }
  pageInfo { hasNextPage endCursor } } }"""


@dataclass(frozen=True)
class Taught:
    """A course and an enrollment in it, as the peers answer them."""

    student: str
    course_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    instructor: str = field(default_factory=lambda: str(uuid.uuid4()))
    payment_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def course(self, **changed: Any) -> learning_pb2.Course:
        values = {"id": self.course_id, "title": "Fractions", "instructor_id": self.instructor, "price": PRICE}
        return learning_pb2.Course(**values | {"published": True, "seats": 12, "seats_taken": 1} | changed)

    def enrollment(self, **changed: Any) -> learning_pb2.Enrollment:
        values = {"id": str(uuid.uuid4()), "course_id": self.course_id, "student_id": self.student, "price": PRICE}
        values |= {"status": learning_pb2.ENROLLMENT_STATUS_ACTIVE, "payment_id": self.payment_id}
        return learning_pb2.Enrollment(**values | changed)

    def payment(self) -> payment_pb2.Payment:
        return payment_pb2.Payment(
            id=self.payment_id,
            amount=PRICE,
            status=payment_pb2.PAYMENT_STATUS_SUCCEEDED,
            context=payment_pb2.PAYMENT_CONTEXT_COURSE_ENROLLMENT,
            context_id=self.course_id,
        )


@pytest.fixture
def taught(script: Any, student: Any) -> Taught:
    told = Taught(student.id)
    script.answers = {
        "BatchGetCourses": learning_pb2.BatchGetCoursesResponse(courses=[told.course()]),
        "BatchGetPayments": payment_pb2.BatchGetPaymentsResponse(payments=[told.payment()]),
    }
    return told


async def test_courses_are_paged(student: Any, script: Any, taught: Taught) -> None:
    free = taught.course(seats=0, price=Money(amount_minor=0, currency="EUR"))
    script.answers["ListCourses"] = learning_pb2.ListCoursesResponse(courses=[free], next_page_token="next")
    query = f"{{ courses(first: 5) {{ nodes {COURSE} pageInfo {{ hasNextPage endCursor }} }} }}"
    page = (await student.data(query))["courses"]
    assert page == {
        "nodes": [
            {
                "id": taught.course_id,
                "title": "Fractions",
                "instructorId": taught.instructor,
                "price": {"amountMinor": 0, "currency": "EUR", "display": "€0.00"},
                "published": True,
                "seats": None,
                "seatsTaken": 1,
            }
        ],
        "pageInfo": {"hasNextPage": True, "endCursor": "next"},
    }
    assert script.one("ListCourses").request.page_size == 5


async def test_a_course_is_found_or_does_not_exist(student: Any, taught: Taught) -> None:
    query = "query($id: ID!) { course(id: $id) { title seats } }"
    assert (await student.data(query, id=taught.course_id))["course"] == {"title": "Fractions", "seats": 12}
    answer = await student.ask(query, id=str(uuid.uuid4()))
    assert answer["data"] == {"course": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_FOUND"]


async def test_a_list_of_enrollments_needs_a_constant_number_of_calls(
    student: Any, script: Any, taught: Taught, at: Any
) -> None:
    waiting = taught.enrollment(
        status=learning_pb2.ENROLLMENT_STATUS_PAYMENT_REQUIRED, hold_expires_at=at("2030-01-30T09:30:00Z")
    )
    script.answers["ListEnrollments"] = learning_pb2.ListEnrollmentsResponse(
        enrollments=[waiting, taught.enrollment(), taught.enrollment(payment_id="")]
    )
    page = (await student.data(MINE, after="here"))["getMyEnrollments"]
    assert page["nodes"][0] == {
        "id": waiting.id,
        "courseId": taught.course_id,
        "studentId": student.id,
        "status": "PAYMENT_REQUIRED",
        "holdExpiresAt": "2030-01-30T09:30:00Z",
        "course": {"title": "Fractions"},
        "payment": {"status": "SUCCEEDED"},
    }
    assert [node["payment"] for node in page["nodes"][1:]] == [{"status": "SUCCEEDED"}, None]
    request = script.one("ListEnrollments").request
    assert (request.student_id, request.page_size, request.page_token) == (student.id, 3, "here")
    assert {seen.rpc for seen in script.seen} == {"ListEnrollments", "BatchGetCourses", "BatchGetPayments"}
    assert len(script.seen) == 3


async def test_the_edge_chooses_the_id_of_a_new_course(tutor: Any, script: Any, taught: Taught) -> None:
    draft = learning_pb2.CreateCourseResponse(course=taught.course(published=False))
    script.answers["CreateCourse"] = draft
    given = {"title": "Fractions", "price": {"amountMinor": 12000, "currency": "EUR"}, "seats": 12}
    payload = (await tutor.data(CREATE, input=given))["createCourse"]
    assert (payload["course"]["id"], payload["course"]["published"], payload["userErrors"]) == (
        taught.course_id,
        False,
        [],
    )
    request = script.one("CreateCourse").request
    assert (request.title, request.instructor_id, request.price, request.seats) == ("Fractions", tutor.id, PRICE, 12)
    assert uuid.UUID(request.course_id)


@pytest.mark.parametrize(("seats", "told"), [(None, 0), (1, 1)])
async def test_a_course_without_seats_has_no_limit(
    tutor: Any, script: Any, taught: Taught, seats: Any, told: int
) -> None:
    script.answers["CreateCourse"] = learning_pb2.CreateCourseResponse(course=taught.course())
    given = {"title": "x", "price": {"amountMinor": 0, "currency": "EUR"}, "seats": seats}
    await tutor.data(CREATE, input=given)
    assert script.one("CreateCourse").request.seats == told


async def test_a_bad_field_of_a_new_course_is_named(tutor: Any, script: Any) -> None:
    given = {"title": "x", "price": {"amountMinor": 1, "currency": "EUR"}}
    error = await tutor.error(CREATE, input=given | {"seats": 0})
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", ["input", "seats"])
    script.answers["CreateCourse"] = BadInput("must have 1 to 200 characters", field="title")
    error = await tutor.error(CREATE, input=given)
    assert (error["message"], error["field"]) == (
        "input.title: must have 1 to 200 characters",
        ["input", "title"],
    )


async def test_publishing_a_course_again_changes_nothing(tutor: Any, script: Any, taught: Taught) -> None:
    script.answers["PublishCourse"] = learning_pb2.PublishCourseResponse(course=taught.course())
    for _ in range(2):
        payload = (await tutor.data(PUBLISH, id=taught.course_id))["publishCourse"]
        assert payload == {"course": {"id": taught.course_id, "published": True}, "userErrors": []}


async def test_another_instructors_course_cannot_be_published(tutor: Any, script: Any) -> None:
    script.answers["PublishCourse"] = Refusal.from_parts("NOT_FOUND", "COURSE_NOT_FOUND", "there is no such course")
    payload = (await tutor.data(PUBLISH, id=str(uuid.uuid4())))["publishCourse"]
    (error,) = payload["userErrors"]
    assert (payload["course"], error["code"], error["field"]) == (None, "COURSE_NOT_FOUND", ["id"])
    script.answers["PublishCourse"] = Forbidden()
    assert (await tutor.error(PUBLISH, id=str(uuid.uuid4())))["code"] == "FORBIDDEN"


async def test_enrolling_opens_a_payment(student: Any, script: Any, taught: Taught, at: Any) -> None:
    place = taught.enrollment(status=learning_pb2.ENROLLMENT_STATUS_PAYMENT_REQUIRED)
    script.answers["BatchGetEnrollments"] = learning_pb2.BatchGetEnrollmentsResponse(enrollments=[place])
    script.answers["EnrollInCourse"] = payment_pb2.EnrollInCourseResponse(
        saga_id=taught.instructor,
        enrollment_id=place.id,
        payment_id=taught.payment_id,
        payment_intent_id="pi_1",
        client_secret="pi_1_secret_hush",
        hold_expires_at=at("2030-01-30T09:30:00Z"),
    )
    assert (await student.data(ENROLL, course=taught.course_id, key="k"))["enrollInCourse"] == {
        "enrollment": {"id": place.id, "status": "PAYMENT_REQUIRED", "payment": {"status": "SUCCEEDED"}},
        "clientSecret": "pi_1_secret_hush",
        "publishableKey": None,
        "paymentIntentId": "pi_1",
        "sagaId": taught.instructor,
        "holdExpiresAt": "2030-01-30T09:30:00Z",
        "userErrors": [],
    }
    request = script.one("EnrollInCourse").request
    assert (request.student_id, request.course_id, request.idempotency_key) == (student.id, taught.course_id, "k")


async def test_an_enrollment_whose_payment_was_refused_has_a_user_error(student: Any, script: Any, taught: Any) -> None:
    script.answers["EnrollInCourse"] = payment_pb2.EnrollInCourseResponse(
        saga_id=taught.instructor, enrollment_id=str(uuid.uuid4()), payment_id=taught.payment_id,
        saga_state="PAYMENT_FAILED",
    )  # fmt: skip
    payload = (await student.ask(ENROLL, course=taught.course_id))["data"]["enrollInCourse"]
    assert [error["code"] for error in payload["userErrors"]] == ["PAYMENT_REFUSED"]


@pytest.mark.parametrize(
    ("reason", "code", "field", "retryable"),
    [
        ("COURSE_NOT_FOUND", "NOT_FOUND", ["courseId"], False),
        ("COURSE_NOT_PUBLISHED", "FAILED_PRECONDITION", ["courseId"], False),
        ("COURSE_FULL", "FAILED_PRECONDITION", ["courseId"], False),
        ("ALREADY_ENROLLED", "ALREADY_EXISTS", ["courseId"], False),
        ("IDEMPOTENCY_MISMATCH", "FAILED_PRECONDITION", ["idempotencyKey"], False),
        ("PAYMENT_PROVIDER_UNAVAILABLE", "UNAVAILABLE", None, True),
        ("TRY_AGAIN", "UNAVAILABLE", None, True),
    ],
)
async def test_a_business_rule_that_refuses_is_a_user_error(
    student: Any, script: Any, reason: str, code: str, field: Any, retryable: bool
) -> None:
    script.answers["EnrollInCourse"] = Refusal.from_parts(code, reason, "no")
    payload = (await student.data(ENROLL, course=str(uuid.uuid4())))["enrollInCourse"]
    assert payload["userErrors"] == [{"code": reason, "message": "no", "field": field, "retryable": retryable}]
    assert payload["enrollment"] is None


async def test_an_enrollment_with_an_unknown_outcome_may_be_sent_again(
    student: Any, peers: Any, monkeypatch: pytest.MonkeyPatch, script: Any
) -> None:
    async def lost(*_: object, timeout: float) -> None:
        raise CallFailed(StatusCode.UNAVAILABLE, "the answer was lost")

    monkeypatch.setattr(peers.payment, "EnrollInCourse", lost)
    (error,) = (await student.data(ENROLL, course=str(uuid.uuid4())))["enrollInCourse"]["userErrors"]
    assert (error["code"], error["retryable"]) == ("TRY_AGAIN", True)


@pytest.mark.parametrize(
    ("given", "field"),
    [({"course": "5"}, ["courseId"]), ({"course": str(uuid.uuid4()), "key": ""}, ["idempotencyKey"])],
)
async def test_a_bad_argument_is_named(student: Any, script: Any, given: dict[str, str], field: list[str]) -> None:
    error = await student.error(ENROLL, **given)
    assert (error["code"], error["field"]) == ("BAD_USER_INPUT", field)
    assert not script.seen


async def test_cancelling_an_enrollment_answers_the_refund(student: Any, script: Any, taught: Taught) -> None:
    place = taught.enrollment(status=learning_pb2.ENROLLMENT_STATUS_CANCELLED)
    script.answers["BatchGetEnrollments"] = learning_pb2.BatchGetEnrollmentsResponse(enrollments=[place])
    script.answers["CancelEnrollment"] = payment_pb2.CancelEnrollmentResponse(refund=PRICE)
    given = {"id": place.id, "reason": "moved away", "quote": "q.1"}
    assert (await student.data(CANCEL, **given))["cancelEnrollment"] == {
        "enrollment": {"status": "CANCELLED"},
        "refund": {"amountMinor": 12000, "display": "€120.00"},
        "userErrors": [],
    }
    request = script.one("CancelEnrollment").request
    assert (request.enrollment_id, request.reason, request.quote_token) == (place.id, "moved away", "q.1")
    assert (await student.error(CANCEL, id=place.id, quote=""))["field"] == ["quoteToken"]


async def test_a_quote_of_an_enrollment_shows_what_leaving_gives_back(student: Any, script: Any, at: Any) -> None:
    script.answers["QuoteEnrollmentCancellation"] = payment_pb2.QuoteEnrollmentCancellationResponse(
        refund=PRICE, percent=100, rule="within 336 h", token="q.1", expires_at=at("2030-01-30T09:15:00Z")
    )
    place = str(uuid.uuid4())
    assert (await student.data(QUOTE, id=place))["enrollmentQuote"] == {
        "refund": {"amountMinor": 12000, "display": "€120.00"},
        "percent": 100,
        "rule": "within 336 h",
        "token": "q.1",
        "expiresAt": "2030-01-30T09:15:00Z",
    }
    seen = script.one("QuoteEnrollmentCancellation")
    assert (seen.request.enrollment_id, str(seen.call.person.id)) == (place, student.id)
    script.answers["QuoteEnrollmentCancellation"] = Refusal.from_parts(
        "FAILED_PRECONDITION", "NOT_CANCELLABLE", "it has ended"
    )
    error = await student.error(QUOTE, id=place)
    assert (error["code"], error["message"]) == ("BAD_USER_INPUT", "NOT_CANCELLABLE: it has ended")


async def test_an_enrollment_that_cannot_be_cancelled_is_a_user_error_or_not_found(student: Any, script: Any) -> None:
    script.answers["CancelEnrollment"] = Refusal.from_parts("FAILED_PRECONDITION", "NOT_CANCELLABLE", "it has ended")
    payload = (await student.data(CANCEL, id=str(uuid.uuid4())))["cancelEnrollment"]
    assert [error["code"] for error in payload["userErrors"]] == ["NOT_CANCELLABLE"]
    script.answers["CancelEnrollment"] = Refusal.from_parts("NOT_FOUND", "NOT_FOUND", "none")
    assert (await student.error(CANCEL, id=str(uuid.uuid4())))["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("role", "mutation", "given"),
    [
        ("tutor", ENROLL, {"course": str(uuid.uuid4())}),
        ("student", CREATE, {"input": {"title": "x", "price": {"amountMinor": 1, "currency": "EUR"}}}),
    ],
)
async def test_only_students_enroll_and_only_tutors_create_courses(
    make_person: Callable[..., Any], script: Any, role: str, mutation: str, given: dict[str, Any]
) -> None:
    assert (await make_person(role).error(mutation, **given))["code"] == "FORBIDDEN"
    assert not script.seen


@pytest.mark.parametrize(
    "query",
    [
        "{ courses { nodes { id } } }",
        '{ course(id: "1") { id } }',
        "{ getMyEnrollments { nodes { id } } }",
        'mutation { enrollInCourse(courseId: "1") { sagaId } }',
        'mutation { cancelEnrollment(enrollmentId: "1") { refund { display } } }',
        'mutation { publishCourse(id: "1") { course { id } } }',
    ],
)
async def test_courses_and_enrollments_need_a_token(nobody: Any, script: Any, query: str) -> None:
    assert (await nobody.error(query))["code"] == "UNAUTHENTICATED"
    assert not script.seen
