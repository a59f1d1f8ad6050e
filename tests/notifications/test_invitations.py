"""The lesson in people's calendars: invited when it is confirmed, withdrawn when it is cancelled. Read by icalendar."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
from icalendar import Calendar

from payment_svc.domain.messages import TYPES, Audience
from tests.notifications.test_mails import BOOKING, HOSTILE, MANAGE, MEETING, message, write


def entries(mail: EmailMessage) -> list[tuple[str, Calendar]]:
    """The calendars in a mail, each with the method that its part names."""
    return [
        (str(part.get_param("method") or ""), Calendar.from_ical(part.get_content()))
        for part in mail.walk()
        if part.get_content_type() in ("text/calendar", "application/ics")
    ]


def event_of(calendar: Calendar) -> Any:
    (event,) = calendar.events
    return event


@pytest.mark.parametrize("audience", [Audience.STUDENT, Audience.TUTOR])
def test_an_invitation_is_followed_by_its_withdrawal_with_a_higher_sequence(audience: Audience) -> None:
    invited = write(message("booking.confirmed", audience, timezone="Asia/Tokyo", locale="de"))
    withdrawn = write(message("booking.cancelled", audience, wasConfirmed=True))
    (method, first), (_, attached) = entries(invited)
    (after, last), _ = entries(withdrawn)
    assert (method, str(first["method"])) == ("REQUEST", "REQUEST") and (after, str(last["method"])) == ("CANCEL",) * 2
    assert first.to_ical() == attached.to_ical()
    was, is_now = event_of(first), event_of(last)
    assert str(was["uid"]) == str(is_now["uid"]) == str(BOOKING)
    assert int(was["sequence"]) < int(is_now["sequence"])
    assert (str(was["status"]), str(is_now["status"])) == ("CONFIRMED", "CANCELLED")
    for event in (was, is_now):
        assert event["dtstart"].dt == datetime(2026, 11, 24, 10, tzinfo=UTC)
        assert event["dtend"].dt == datetime(2026, 11, 24, 11, 30, tzinfo=UTC)
        assert event["dtstamp"].dt == datetime(2026, 11, 21, 9, tzinfo=UTC)
        assert str(event["organizer"]) == "mailto:no-reply@mesh.example.com"
        assert str(event["attendee"]) == "mailto:to@people.example.com"


def test_it_travels_as_mail_programs_expect_it() -> None:
    mail = write(message())
    assert mail.get_content_type() == "multipart/mixed"
    alternatives, attached = mail.iter_parts()
    kinds = [part.get_content_type() for part in alternatives.iter_parts()]
    assert kinds == ["text/plain", "text/html", "text/calendar"]
    assert (attached.get_filename(), attached.get_content_disposition()) == ("invite.ics", "attachment")
    text = attached.get_content().decode()
    assert text.count("\r\n") == text.count("\n")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))


def test_it_carries_no_link() -> None:
    (_, calendar), _ = entries(write(message()))
    text = calendar.to_ical().decode().replace("\r\n ", "")
    assert MANAGE not in text and MEETING not in text and "http" not in text and "manage/" not in text


def test_each_person_reads_their_own_words_in_their_calendar() -> None:
    said = [
        str(event_of(entries(write(message(audience=audience, locale="de")))[0][1])["summary"])
        for audience in (Audience.STUDENT, Audience.TUTOR)
    ]
    assert said == ["Unterricht bei Zoë Ōe", "Lesson with a student"]


@pytest.mark.parametrize("kind", sorted(TYPES - {"booking.confirmed", "booking.cancelled"}))
def test_no_other_message_changes_a_calendar(kind: str) -> None:
    mail = write(message(kind))
    assert entries(mail) == [] and mail.get_content_type() == "multipart/alternative"


def test_a_lesson_that_was_never_confirmed_is_not_withdrawn_and_an_old_row_is() -> None:
    assert entries(write(message("booking.cancelled", wasConfirmed=False))) == []
    ((method, _), _) = entries(write(message("booking.cancelled", wasConfirmed=None)))
    assert method == "CANCEL"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_people_wrote_adds_no_property(text: str) -> None:
    (_, tame), _ = entries(write(message(purpose="x", tutorName="x", courseTitle="x")))
    (_, calendar), _ = entries(write(message(purpose=text, tutorName=text, courseTitle=text)))
    assert event_of(calendar).keys() == event_of(tame).keys() and calendar.keys() == tame.keys()
    assert not event_of(calendar).errors
    assert str(event_of(calendar)["attendee"]) == "mailto:to@people.example.com"
