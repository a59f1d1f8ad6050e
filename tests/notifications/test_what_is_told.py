"""Every end of a booking is told to both its people, over both channels, signed and in order."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from mesh.clock import iso
from mesh.errors import Refusal
from tests.learners import Enrolled, active, enrolled, leave, let_the_seat_lapse
from tests.notifications.conftest import PUBLIC_URL, Post, Receiver, rows
from tests.payment.faults import sold
from tests.people import Booked, People, lesson_time, wait_until
from tutormesh.payment.v1 import notification_pb2
from tutormesh.payment.v1.notification_pb2_grpc import NotificationServiceStub


async def declined(people: People) -> Booked:
    booked = await people.booked(await people.tutor(), lesson_time())
    for _ in range(3):
        await people.pay(booked.intent, "pm_card_chargeDeclined")
    return booked


async def expired(people: People) -> Booked:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.let_the_hold_end(booked.saga)
    return booked


async def cancelled_unpaid(people: People) -> Booked:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.cancel(booked)
    return booked


async def paid_wrongly(people: People) -> Booked:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.update_intent(booked.intent, amount=700)
    await people.pay(booked.intent)
    return booked


async def sold_and_cancelled(people: People) -> Booked:
    booked = await sold(people)
    await people.cancel(booked)
    return booked


async def sold_and_refunded_by_hand(people: People) -> Booked:
    booked = await sold(people)
    await people.refund_by_hand(booked.intent, 2000)
    return booked


async def left_behind(people: People) -> Enrolled:
    place = await active(people)
    await leave(people, place)
    return place


async def lapsed(people: People) -> Enrolled:
    place = await enrolled(people)
    await let_the_seat_lapse(people, place)
    return place


WAYS = {
    sold: ["booking.confirmed"],
    declined: ["booking.payment_failed"],
    expired: ["booking.expired"],
    cancelled_unpaid: ["booking.cancelled"],
    paid_wrongly: ["booking.cancelled", "refund.paid"],
    sold_and_cancelled: ["booking.confirmed", "booking.cancelled", "refund.paid"],
    sold_and_refunded_by_hand: ["booking.confirmed", "refund.paid"],
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_each_end_is_told_by_webhook_and_to_both_people_by_mail(
    people: People, receiver: Receiver, post: Post, way
) -> None:
    booked = await way(people)
    await receiver.until_taken(booked.booking, *WAYS[way])
    assert all(receiver.signatures)
    for told in receiver.about(booked.booking):
        assert (told["data"]["studentId"], told["data"]["tutorId"]) == (str(booked.student), str(booked.tutor))
    for person in (booked.student, booked.tutor):
        mails = await post.until_sent(person, len(WAYS[way]))
        assert len(mails) == len(WAYS[way])
    await people.at_rest()
    assert receiver.types(booked.booking) == WAYS[way]  # once each, when nothing fails


PLACES = {
    active: ["enrollment.active"],
    enrolled: ["enrollment.cancelled"],
    left_behind: ["enrollment.active", "enrollment.cancelled", "refund.paid"],
    lapsed: ["enrollment.expired"],
}


@pytest.mark.parametrize("way", PLACES, ids=lambda way: way.__name__)
async def test_each_end_of_an_enrollment_is_told_to_student_and_instructor(
    people: People, receiver: Receiver, post: Post, way
) -> None:
    place = await way(people)
    if way is enrolled:
        await leave(people, place)
    await receiver.until_taken(place.id, *PLACES[way])
    for told in receiver.about(place.id):
        data = told["data"]
        assert (data["studentId"], data["tutorId"]) == (str(place.student), str(place.instructor))
        assert (data["enrollmentId"], data["courseId"]) == (place.id, place.course.id)
        assert not data.keys() & {"bookingId", "sessionId", "startTime", "durationMinutes"}
    for person in (place.student, place.instructor):
        mails = await post.until_sent(person, len(PLACES[way]))
        assert f"Reference: {place.id}" in mails[0]["text"]


async def test_a_message_says_what_it_is_about(people: People, receiver: Receiver) -> None:
    start = lesson_time(hour=9)
    booked = await people.booked(await people.tutor(), start)
    await people.pay(booked.intent)
    await receiver.until_taken(booked.booking, "booking.confirmed")
    (told,) = receiver.about(booked.booking)
    assert set(told) == {"id", "type", "createdAt", "data"}
    link = told["data"].pop("meetingLink")
    assert {told["data"].pop(f"{person}ManageUrl").partition("lk_")[0] for person in ("student", "tutor")} == {
        f"{PUBLIC_URL}/manage/"
    }
    assert link.startswith("https://meet.example.org/")
    assert told["data"] == {
        "bookingId": booked.booking,
        "sessionId": booked.session,
        "studentId": str(booked.student),
        "tutorId": str(booked.tutor),
        "startTime": start.isoformat().replace("+00:00", "Z"),
        "durationMinutes": 60,
        "tutorTimezone": "UTC",
        "price": {"amountMinor": 5000, "currency": "USD"},
    }


async def test_a_message_about_a_seat_names_its_course_also_when_it_is_given_back(
    people: People, receiver: Receiver
) -> None:
    place = await active(people, await people.course(title="Chess <for> all"))
    await leave(people, place)
    await receiver.until_taken(place.id, *PLACES[left_behind])
    assert [told["data"]["courseTitle"] for told in receiver.about(place.id)] == ["Chess <for> all"] * 3
    assert not any("wasConfirmed" in told["data"] for told in receiver.about(place.id))


async def test_a_message_about_a_lesson_of_a_course_names_the_course_the_purpose_and_the_tutors_zone(
    people: People, receiver: Receiver
) -> None:
    course, tutor = await people.course(title="Fractions"), await people.tutor(timezone="Asia/Tokyo")
    booked = await people.booked(tutor, lesson_time(), course_id=course.id, purpose="Halves & thirds")
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    await people.cancel(booked)
    await receiver.until_taken(booked.booking, *WAYS[sold_and_cancelled])
    confirmed, cancelled, refund = (told["data"] for told in receiver.about(booked.booking))
    for data in (confirmed, cancelled, refund):
        known = {"courseTitle": "Fractions", "purpose": "Halves & thirds", "tutorTimezone": "Asia/Tokyo"}
        assert data.items() >= known.items()
    assert [data.get("wasConfirmed") for data in (confirmed, cancelled, refund)] == [None, True, None]


async def test_a_cancel_before_the_payment_says_that_the_lesson_was_never_confirmed(
    people: People, receiver: Receiver
) -> None:
    booked = await cancelled_unpaid(people)
    await receiver.until_taken(booked.booking, "booking.cancelled")
    assert receiver.about(booked.booking)[0]["data"]["wasConfirmed"] is False


async def test_a_cancel_tells_who_cancelled_and_its_refund_what_went_back(people: People, receiver: Receiver) -> None:
    booked = await sold(people)
    await people.let_the_lesson_begin_in(booked, 12)  # half of the price
    await people.cancel(booked)
    await receiver.until_taken(booked.booking, "booking.confirmed", "booking.cancelled", "refund.paid")
    _, cancelled, refund = receiver.about(booked.booking)
    assert cancelled["data"]["cancelledBy"] == "student"
    assert cancelled["data"]["refundDue"] == {"amountMinor": 2500, "currency": "USD"}
    assert refund["data"]["paymentId"] == booked.payment
    assert refund["data"]["refund"].items() >= {"amountMinor": 2500, "currency": "USD", "reason": "cancelled"}.items()


async def test_a_refund_that_is_late_is_told_when_it_is_paid_and_the_cancel_at_once(
    people: People, receiver: Receiver
) -> None:
    booked = await sold(people)
    await people.fault("/v1/refunds", "refund_pending")
    await people.cancel(booked)
    await receiver.until_taken(booked.booking, "booking.confirmed", "booking.cancelled")
    (refund,) = await people.refunds_of(booked.intent)
    await people.settle_refund(refund["id"], "succeeded")
    await receiver.until_taken(booked.booking, "booking.confirmed", "booking.cancelled", "refund.paid")


async def test_a_free_lesson_is_told_too(people: People, receiver: Receiver) -> None:
    made = await people.book(await people.tutor(rate=0), lesson_time())
    await receiver.until_taken(made.booking_id, "booking.confirmed")
    assert receiver.about(made.booking_id)[0]["data"]["price"]["amountMinor"] == 0


async def test_an_order_that_was_refused_is_told_by_the_webhook_alone(people: People, receiver: Receiver) -> None:
    tutor, start = await people.tutor(), lesson_time()
    await people.booked(tutor, start)
    rejected = "select booking_id, student_id from saga where tutor_id = $1 and state = 'REJECTED'"
    with pytest.raises(Refusal) as refused:
        await people.book(tutor, start)
    assert refused.value.reason == "SLOT_TAKEN"
    ((booking, student),) = await wait_until(lambda: people.world.sql("payment", rejected, tutor), bool)
    await receiver.until_taken(str(booking), "booking.rejected")
    (told,) = receiver.about(str(booking))
    assert (told["data"]["reason"], told["data"]["studentId"]) == ("SLOT_TAKEN", str(student))
    assert (told["data"]["startTime"], "price" in told["data"]) == (iso(start), False)
    assert await rows(people, str(booking), "email") == []


async def test_a_seat_that_was_refused_is_told_by_the_webhook_alone(people: People, receiver: Receiver) -> None:
    course = await people.course(5000, seats=1)
    await enrolled(people, course)
    with pytest.raises(Refusal) as refused:
        await enrolled(people, course)
    assert refused.value.reason == "COURSE_FULL"
    rejected = "select booking_id from saga where course_id = $1 and state = 'REJECTED'"
    ((seat,),) = await wait_until(lambda: people.world.sql("payment", rejected, UUID(course.id)), bool)
    await receiver.until_taken(str(seat), "enrollment.rejected")
    assert receiver.about(str(seat))[0]["data"]["reason"] == "COURSE_FULL"
    assert await rows(people, str(seat), "email") == []


async def test_a_student_is_told_in_the_zone_and_language_of_the_order(
    people: People, receiver: Receiver, post: Post
) -> None:
    start = lesson_time(hour=10)
    told_in = {"timezone": "Asia/Kolkata", "locale": "en-IN"}
    booked = await people.booked(await people.tutor(), start, **told_in)
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    await people.cancel(booked)
    await receiver.until_taken(booked.booking, "booking.confirmed", "booking.cancelled", "refund.paid")
    for told in receiver.about(booked.booking):
        assert {name: told["data"][name] for name in told_in} == told_in
        assert told["data"]["startTime"].endswith("T10:00:00Z")
    for person, clock in (
        (booked.student, "India Standard Time (Asia/Kolkata)"),
        (booked.tutor, "Time: 10:00 AM – 11:00 AM"),
    ):
        confirmed, cancelled, _ = await post.until_sent(person, 3)
        assert clock in confirmed["text"] and clock in cancelled["text"]


async def test_the_language_of_a_seats_order_is_told_too(people: People, receiver: Receiver) -> None:
    place = await enrolled(people, timezone="Asia/Tokyo", locale="ja")
    await people.pay(place.intent)
    await people.until_state(place.saga, "COMPLETED")
    await leave(people, place)
    await receiver.until_taken(place.id, "enrollment.active", "enrollment.cancelled", "refund.paid")
    told = [(message["data"]["timezone"], message["data"]["locale"]) for message in receiver.about(place.id)]
    assert told == [("Asia/Tokyo", "ja")] * 3


async def test_both_people_are_told_where_the_lesson_is_held(people: People, receiver: Receiver, post: Post) -> None:
    booked = await sold_and_cancelled(people)
    await receiver.until_taken(booked.booking, "booking.confirmed", "booking.cancelled", "refund.paid")
    confirmed, *later = receiver.about(booked.booking)
    link = confirmed["data"]["meetingLink"]
    assert re.fullmatch(r"https://meet\.example\.org/[\w-]{20,}", link)
    assert not any("meetingLink" in told["data"] for told in later)
    for person in (booked.student, booked.tutor):
        mails = await post.until_sent(person, 3)
        assert [f"Join the lesson:\n{link}\n" in mail["text"] for mail in mails] == [True, False, False]


async def test_the_student_is_told_the_tutors_name(people: People, receiver: Receiver, post: Post) -> None:
    tutor = await people.tutor(display_name="Zoë {when} Ōe")
    booked = await people.booked(tutor, lesson_time())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    await people.cancel(booked)
    await receiver.until_taken(booked.booking, "booking.confirmed", "booking.cancelled", "refund.paid")
    assert {told["data"]["tutorName"] for told in receiver.about(booked.booking)} == {"Zoë {when} Ōe"}
    for person, is_named in ((booked.student, True), (booked.tutor, False)):
        confirmed, cancelled, _ = await post.until_sent(person, 3)
        assert ("Your lesson with Zoë {when} Ōe " in confirmed["text"]) is is_named
        assert ("Your lesson with Zoë {when} Ōe " in cancelled["text"]) is is_named


async def test_a_mail_has_the_id_of_its_message(people: People, post: Post) -> None:
    booked = await sold(people)
    (mail,) = await post.until_sent(booked.student, 1)
    ((row,), (student, tutor)) = await rows(people, booked.booking), await rows(people, booked.booking, "email")
    assert mail["message_id"] == f"<{row['id']}.student@mesh.example.com>"
    assert student["id"] == tutor["id"] == row["id"]
    assert mail["from"] == "no-reply@mesh.example.com"
    assert mail["subject"].startswith("Lesson confirmed: ")
    assert f"Reference: {booked.booking}" in mail["text"] and "Price: $50.00" in mail["text"]
    assert UUID(booked.booking) == row["subject_id"]


async def test_each_person_gets_their_own_link_which_no_row_no_log_and_no_list_has(
    people: People, receiver: Receiver, post: Post, capfd: pytest.CaptureFixture[str]
) -> None:
    booked = await sold_and_cancelled(people)
    await receiver.until_taken(booked.booking, *WAYS[sold_and_cancelled])
    links: dict[str, str] = {}
    for name, person in (("student", booked.student), ("tutor", booked.tutor)):
        (link,) = {told["data"][f"{name}ManageUrl"] for told in receiver.about(booked.booking)}  # in each message
        mails = await post.until_sent(person, len(WAYS[sold_and_cancelled]))
        assert all(f"Manage this lesson:\n{link}\n" in mail["text"] for mail in mails)
        links[name] = link
    assert links["student"] != links["tutor"]
    assert not any(links["tutor"] in mail["text"] for mail in post.to(booked.student))
    stub = people.stub(NotificationServiceStub, "payment", "ops")
    listed = await stub.ListNotifications(notification_pb2.ListNotificationsRequest(page_size=100), timeout=5)
    stored = await people.world.sql("payment", "select notification::text from notification")
    said = capfd.readouterr()
    for place in (str(listed), str(stored), said.out, said.err):
        assert "lk_" not in place and "/manage/" not in place
    assert str(booked.booking) in str(listed) and str(booked.booking) in str(stored)


async def test_an_order_that_was_refused_has_no_page(people: People, receiver: Receiver) -> None:
    tutor, start = await people.tutor(), lesson_time()
    await people.booked(tutor, start)
    with pytest.raises(Refusal):
        await people.book(tutor, start)
    rejected = "select booking_id from saga where tutor_id = $1 and state = 'REJECTED'"
    ((booking,),) = await wait_until(lambda: people.world.sql("payment", rejected, tutor), bool)
    await receiver.until_taken(str(booking), "booking.rejected")
    assert not any("ManageUrl" in name for name in receiver.about(str(booking))[0]["data"])
