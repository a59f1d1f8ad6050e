"""LearningService: each method decodes a request, calls a use case and encodes the response."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from learning_svc import convert
from learning_svc.courses import Courses, choose_instructor
from learning_svc.domain import Terms
from learning_svc.enrollments import Enrollments
from learning_svc.seats import Seats
from mesh import cursors, wire
from mesh.changes import Changes
from mesh.database import Database
from mesh.row_stamps import MOST_IDS
from mesh.watches import Watches
from tutormesh.learning.v1 import learning_pb2 as pb
from tutormesh.learning.v1 import learning_pb2_grpc

SEAT_COUNTS_PAGE = 20


class LearningServicer(learning_pb2_grpc.LearningServiceServicer):
    """The promises of each RPC are in learning.proto."""

    def __init__(self, database: Database, terms: Terms, changes: Changes) -> None:
        self._courses, self._seats = Courses(database, terms), Seats(database, terms)
        self._enrollments = Enrollments(database)
        self._watches = Watches(self._enrollments, changes)

    async def CreateCourse(self, request: pb.CreateCourseRequest, context: Any) -> pb.CreateCourseResponse:
        instructor = choose_instructor(wire.optional_uuid(request.instructor_id, "instructor_id"))
        new = convert.new_course(request, instructor)
        course = await self._courses.create(new, exact_repeat=request.exact_repeat)
        return pb.CreateCourseResponse(course=convert.to_course(course))

    async def PublishCourse(self, request: pb.PublishCourseRequest, context: Any) -> pb.PublishCourseResponse:
        course = await self._courses.publish(wire.uuid(request.course_id, "course_id"))
        return pb.PublishCourseResponse(course=convert.to_course(course))

    async def GetCourse(self, request: pb.GetCourseRequest, context: Any) -> pb.GetCourseResponse:
        course = await self._courses.get(wire.uuid(request.course_id, "course_id"))
        return pb.GetCourseResponse(course=convert.to_course(course))

    async def BatchGetCourses(self, request: pb.BatchGetCoursesRequest, context: Any) -> pb.BatchGetCoursesResponse:
        found = await self._courses.get_many(convert.batch_ids(request.course_ids, "course_ids"))
        return pb.BatchGetCoursesResponse(courses=map(convert.to_course, found))

    async def ListCourses(self, request: pb.ListCoursesRequest, context: Any) -> pb.ListCoursesResponse:
        size = convert.page_size(request)
        found = await self._courses.list_published(cursors.decode(request.page_token), size + 1)
        return convert.to_courses_page(found, size)

    async def VerifyCourse(self, request: pb.VerifyCourseRequest, context: Any) -> pb.VerifyCourseResponse:
        course_id = wire.uuid(request.course_id, "course_id")
        course = await self._courses.verify(course_id, needs_seat=request.needs_seat)
        return pb.VerifyCourseResponse(course=convert.to_course(course))

    async def HoldSeat(self, request: pb.HoldSeatRequest, context: Any) -> pb.HoldSeatResponse:
        return convert.to_hold_response(await self._seats.hold(convert.order(request)))

    async def CreateEnrollmentRecord(
        self, request: pb.CreateEnrollmentRecordRequest, context: Any
    ) -> pb.CreateEnrollmentRecordResponse:
        enrollment = await self._seats.activate(*convert.ids(request))
        return pb.CreateEnrollmentRecordResponse(enrollment=convert.to_enrollment(enrollment))

    async def EndEnrollment(self, request: pb.EndEnrollmentRequest, context: Any) -> pb.EndEnrollmentResponse:
        await self._seats.end(*convert.ids(request), convert.end(request))
        return pb.EndEnrollmentResponse()

    async def CancelEnrollment(self, request: pb.CancelEnrollmentRequest, context: Any) -> pb.CancelEnrollmentResponse:
        await self._seats.cancel(*convert.ids(request))
        return pb.CancelEnrollmentResponse()

    async def GetEnrollment(self, request: pb.GetEnrollmentRequest, context: Any) -> pb.GetEnrollmentResponse:
        enrollment = await self._enrollments.get(wire.uuid(request.enrollment_id, "enrollment_id"))
        return pb.GetEnrollmentResponse(enrollment=convert.to_enrollment(enrollment))

    async def BatchGetEnrollments(
        self, request: pb.BatchGetEnrollmentsRequest, context: Any
    ) -> pb.BatchGetEnrollmentsResponse:
        found = await self._enrollments.get_many(convert.batch_ids(request.enrollment_ids, "enrollment_ids"))
        return pb.BatchGetEnrollmentsResponse(enrollments=convert.to_enrollments(found))

    async def WatchEnrollment(
        self, request: pb.WatchEnrollmentRequest, context: Any
    ) -> AsyncIterator[pb.WatchEnrollmentResponse]:
        enrollment_id = wire.uuid(request.enrollment_id, "enrollment_id")
        async with aclosing(self._watches.watch(enrollment_id)) as enrollments:
            async for enrollment in enrollments:
                yield pb.WatchEnrollmentResponse(enrollment=convert.to_enrollment(enrollment))

    async def ListEnrollments(self, request: pb.ListEnrollmentsRequest, context: Any) -> pb.ListEnrollmentsResponse:
        student, size = wire.optional_uuid(request.student_id, "student_id"), convert.page_size(request)
        ids = wire.listed_ids(request.ids, student)
        if ids:
            return pb.ListEnrollmentsResponse(enrollments=convert.to_enrollments(await self._enrollments.list_of(ids)))
        if student is None:
            everybodys = await self._enrollments.list_all(cursors.decode_id(request.page_token), size + 1)
            return convert.to_enrollments_page(everybodys, size, by_id=True)
        found = await self._enrollments.list_of_student(student, cursors.decode(request.page_token), size + 1)
        return convert.to_enrollments_page(found, size, by_id=False)

    async def ListChangedIds(self, request: pb.ListChangedIdsRequest, context: Any) -> pb.ListChangedIdsResponse:
        size = wire.page_size(request.page_size, MOST_IDS, MOST_IDS)
        found = await self._enrollments.list_changed_ids(request.mark, request.page_token, size)
        return pb.ListChangedIdsResponse(**asdict(found))

    async def ListSeatCounts(self, request: pb.ListSeatCountsRequest, context: Any) -> pb.ListSeatCountsResponse:
        size, ids = wire.page_size(request.page_size, SEAT_COUNTS_PAGE), wire.uuids(request.ids, "ids")
        found = await self._enrollments.list_seat_counts(ids, cursors.decode_id(request.page_token), size)
        is_last = bool(ids) or len(found) < size
        return convert.to_seat_counts(found, "" if is_last else cursors.encode_id(found[-1].course_id))
