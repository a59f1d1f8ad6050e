"""The page to manage a purchase, in each person's words, and its calendar file."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from icalendar import Calendar

from tests.bff.pages.purchases import BOOKING, TOKEN, course, lesson, managed
from tutormesh.common.v1.money_pb2 import Money
from tutormesh.payment.v1 import link_pb2, payment_pb2

PAGE = f"/manage/{TOKEN}"
TUTOR = link_pb2.LINK_PERSON_TUTOR


async def test_the_student_sees_the_lesson_the_way_in_and_the_rules(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["OpenPurchase"] = managed()
    text = (await http.get(PAGE)).text
    assert "Lesson with Mira Kowalski" in text
    assert 'data-status="confirmed">Confirmed<' in text
    assert 'href="https://meet.example.org/room-nobody-guesses"' in text
    assert f'href="/manage/{TOKEN}/lesson.ics?lang=en"' in text
    assert "100% goes back up to 24 hours" in text
    assert script.one("OpenPurchase").request.token == TOKEN


async def test_the_tutor_reads_other_words(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["OpenPurchase"] = managed(lesson(person=TUTOR, status=link_pb2.PURCHASE_STATUS_CONFIRMED))
    text = (await http.get(PAGE)).text
    assert "A lesson that you teach" in text
    assert "If you cancel, the student gets everything back." in text
    assert "Mira Kowalski" not in text
    assert "24 hours" not in text


@pytest.mark.parametrize(
    ("person", "state", "said"),
    [
        (link_pb2.LINK_PERSON_STUDENT, payment_pb2.REFUND_STATE_PENDING, "€25.00 is on its way back to you."),
        (link_pb2.LINK_PERSON_STUDENT, payment_pb2.REFUND_STATE_PAID, "€50.00 has gone back to you."),
        (TUTOR, payment_pb2.REFUND_STATE_PENDING, "€25.00 is on its way back to the student."),
        (TUTOR, payment_pb2.REFUND_STATE_NEEDS_REVIEW, "A person looks into it."),
    ],
)
async def test_the_refund_is_told_to_each_person(
    http: httpx.AsyncClient, script: Any, person: Any, state: Any, said: str
) -> None:
    script.answers["OpenPurchase"] = managed(
        lesson(person=person, status=link_pb2.PURCHASE_STATUS_CANCELLED),
        refunded=Money(amount_minor=5000, currency="EUR"),
        refund_pending=Money(amount_minor=2500, currency="EUR"),
        refund_state=state,
        is_cancellable=False,
        meeting_link="",
    )
    text = (await http.get(PAGE)).text
    assert said in text
    assert re.search(r'id="join" hidden', text)
    assert re.search(r'id="cancel" [^>]*hidden', text)
    assert re.search(r'id="calendar" hidden', text)


async def test_reading_changes_nothing(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["OpenPurchase"] = managed()
    for path in (PAGE, f"{PAGE}/lesson.ics", "/links/purchase"):
        await http.get(path, headers={"link-token": TOKEN})
    assert {seen.rpc for seen in script.seen} == {"OpenPurchase"}


# The calendar file.


async def event_of(http: httpx.AsyncClient) -> Any:
    answer = await http.get(f"{PAGE}/lesson.ics", headers={"accept-language": "en"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    assert answer.headers["content-disposition"] == 'attachment; filename="lesson.ics"'
    assert max(map(len, answer.content.split(b"\r\n"))) <= 75
    (event,) = Calendar.from_ical(answer.content).walk("VEVENT")
    return event


async def test_the_calendar_file_is_the_lesson(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["OpenPurchase"] = managed(lesson(status=link_pb2.PURCHASE_STATUS_CONFIRMED, version=3))
    event = await event_of(http)
    assert event.start.isoformat() == "2030-01-31T09:00:00+00:00"
    assert event.end.isoformat() == "2030-01-31T10:00:00+00:00"
    assert (event["UID"], event["SEQUENCE"], event["STATUS"]) == (BOOKING, 3, "CONFIRMED")
    assert event["SUMMARY"] == "Lesson with Mira Kowalski"
    assert "fractions" in event["DESCRIPTION"]


async def test_the_calendar_file_has_no_link(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["OpenPurchase"] = managed()
    text = (await http.get(f"{PAGE}/lesson.ics")).text
    for secret in (TOKEN, "meet.example.org", "http", "URL"):
        assert secret not in text


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("CANCELLED", "CANCELLED"),
        ("EXPIRED", "CANCELLED"),
        ("PAYMENT_REQUIRED", "TENTATIVE"),
        ("COMPLETED", "CONFIRMED"),
    ],
)
async def test_the_calendar_file_knows_the_status(http: httpx.AsyncClient, script: Any, status: str, told: str) -> None:
    number = link_pb2.PurchaseStatus.Value(f"PURCHASE_STATUS_{status}")
    script.answers["OpenPurchase"] = managed(lesson(status=number))
    assert (await event_of(http))["STATUS"] == told


async def test_hostile_text_adds_nothing_to_the_calendar(http: httpx.AsyncClient, script: Any) -> None:
    evil = "x\r\nATTENDEE:mailto:evil@example.org\r\nEND:VEVENT\r\nBEGIN:VALARM\x00;,\\ " + "y" * 1000
    purchase = lesson(status=link_pb2.PURCHASE_STATUS_CONFIRMED, tutor_name=evil, purpose=evil, course_title=evil)
    script.answers["OpenPurchase"] = managed(purchase)
    event = await event_of(http)
    assert "ATTENDEE" not in event
    assert "mailto:evil@example.org" in event["SUMMARY"]


async def test_a_course_has_no_calendar_file(http: httpx.AsyncClient, script: Any) -> None:
    script.answers["OpenPurchase"] = managed(course(status=link_pb2.PURCHASE_STATUS_CONFIRMED))
    assert (await http.get(f"{PAGE}/lesson.ics")).status_code == 404
    assert "lesson.ics" not in (await http.get(PAGE)).text
