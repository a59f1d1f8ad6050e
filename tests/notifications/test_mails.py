"""What a mail says, in whose words, zone and language; and that what people wrote stays text."""

from __future__ import annotations

import email
import email.policy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import payment_svc.notifications
from mesh.plain_text import cut_line
from payment_svc.domain.messages import TYPES, Audience, DeliveryRoute, Message
from payment_svc.notifications.language import TEXTS, choose_language
from payment_svc.notifications.mail import write_mail

BOOKING, STUDENT, TUTOR = UUID(int=1), UUID(int=0xA), UUID(int=0xB)
MANAGE = "https://app.example.org/manage/lk_secret"
MEETING = "https://meet.example.org/room?a=1&b=2"
DATA: dict[str, Any] = {
    "bookingId": str(BOOKING),
    "studentId": str(STUDENT),
    "tutorId": str(TUTOR),
    "tutorName": "Zoë Ōe",
    "tutorTimezone": "Europe/Berlin",
    "startTime": "2026-11-24T10:00:00Z",
    "durationMinutes": 90,
    "purpose": "Fractions",
    "price": {"amountMinor": 5000, "currency": "USD"},
}
SEAT = {
    "enrollmentId": str(BOOKING),
    "courseTitle": "Chess for all",
    **{key: DATA[key] for key in ("studentId", "tutorId", "price")},
}
EXTRAS = {
    "booking.confirmed": {"meetingLink": MEETING},
    "booking.cancelled": {"cancelledBy": "student", "refundDue": {"amountMinor": 2500, "currency": "USD"}},
    "refund.paid": {"refund": {"amountMinor": 2500, "currency": "USD"}},
    "refund.failed": {"refund": {"amountMinor": 2500, "currency": "USD"}},
}
HOSTILE = [
    "Zoë\r\nBcc: everybody@example.com",
    "x\n\n.\r\nQUIT",
    "</td><script>alert(1)</script><img src=x onerror=alert(1)>",
    "\u202egnp.exe \u2066\u200f\u061c",
    "a\x00b\x1b[31mc\x7f\x85\u2028\u2029",
    "{when} {tutor.__class__} %s {{ 7 * 7 }}",
    "=_0_" + "0" * 32,
    "é" * 1000,
    "a" * 1000,
    'x";CN=evil:mailto:evil@example.com',
    "a\\nb;c,d",
    "\ud800\udfff",
    " ",
]


def message(kind: str = "booking.confirmed", audience: Audience = Audience.STUDENT, **changes: Any) -> Message:
    base = SEAT if kind.startswith("enrollment") else DATA
    data = {name: value for name, value in (base | EXTRAS.get(kind, {}) | changes).items() if value is not None}
    at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    return Message(UUID(int=7), DeliveryRoute("email", audience), 1, kind, BOOKING, data, at)


def write(told: Message, manage_url: str = MANAGE) -> EmailMessage:
    """The mail as a mail program reads it from its bytes."""
    written = write_mail(told, "tutormesh <no-reply@mesh.example.com>", "to@people.example.com", manage_url)
    return email.message_from_bytes(bytes(written), EmailMessage, policy=email.policy.default)


def text_of(mail: EmailMessage, subtype: str = "plain") -> str:
    body = mail.get_body((subtype,))
    assert body is not None
    return body.get_content().replace("\r\n", "\n")


class Page(HTMLParser):
    """The elements, links and text of an HTML mail."""

    def __init__(self, mail: EmailMessage) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(text_of(mail, "html"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def links(self) -> list[str | None]:
        return [attributes["href"] for tag, attributes in self.tags if tag == "a"]

    @property
    def text(self) -> str:
        return " ".join("".join(self.said).split())


def test_a_student_reads_who_when_and_where_and_no_id_in_place_of_a_name() -> None:
    mail = write(message(timezone="America/New_York"))
    text, page = text_of(mail), Page(mail)
    assert mail["Subject"] == "Lesson confirmed: Tue, Nov 24, 2026, 5:00 AM"
    assert "Your lesson with Zoë Ōe is booked and confirmed." in text
    for line in ("Date: Tuesday, November 24, 2026", "Time: 5:00 AM – 6:30 AM", "Topic: Fractions", "Price: $50.00"):
        assert f"\n{line}\n" in text
    assert "Time zone: Eastern Standard Time (America/New York)\n" in text
    assert f"Join the lesson:\n{MEETING}\n" in text and f"Manage this lesson:\n{MANAGE}\n" in text
    assert page.links == [MEETING, MANAGE]
    assert "Your lesson with Zoë Ōe is booked and confirmed." in page.text
    assert str(TUTOR) not in text + page.text and str(STUDENT) not in text + page.text


def test_a_tutor_reads_other_words_in_english_and_in_their_own_zone() -> None:
    mail = write(message(audience=Audience.TUTOR, timezone="America/New_York", locale="de"))
    text = text_of(mail)
    assert mail["Subject"] == "New lesson: Tue, Nov 24, 2026, 11:00 AM"
    assert "A student has booked a lesson with you." in text
    assert "Time: 11:00 AM – 12:30 PM\n" in text and "(Europe/Berlin)" in text
    assert "Topic: Fractions" in text and "Zoë" not in text and "New_York" not in text


@pytest.mark.parametrize(
    ("zone", "tutors", "said"),
    [
        ("Pacific/Auckland", "Europe/Berlin", "11:00 PM – 12:30 AM"),
        ("", "Europe/Berlin", "11:00 AM – 12:30 PM"),
        ("Mars/Olympus", "Europe/Berlin", "10:00 AM – 11:30 AM"),
        (None, None, "10:00 AM – 11:30 AM"),
    ],
)
def test_a_student_without_a_zone_reads_the_tutors_and_nobody_knows_one_reads_utc(
    zone: str | None, tutors: str | None, said: str
) -> None:
    assert f"Time: {said}\n" in text_of(write(message(timezone=zone, tutorTimezone=tutors)))


def test_a_lesson_over_the_end_of_summer_time_ends_by_the_clock_of_its_end() -> None:
    text = text_of(write(message(startTime="2026-10-25T00:30:00Z", timezone="Europe/Berlin")))
    assert "Time: 2:30 AM – 3:00 AM\n" in text


@pytest.mark.parametrize(
    ("locale", "subject", "price"),
    [
        ("de", "Stunde bestätigt: Di., 24. Nov. 2026, 11:00 Uhr", "Preis: 50,00 $"),
        ("de-AT", "Stunde bestätigt: Di., 24. Nov. 2026, 11:00 Uhr", "Preis: $ 50,00"),
        ("DE-de-u-co-phonebk", "Stunde bestätigt: Di., 24. Nov. 2026, 11:00 Uhr", "Preis: 50,00 $"),
        ("en-GB", "Lesson confirmed: Tue, 24 Nov 2026, 11:00", "Price: US$50.00"),
        ("en-Cyrl-XX", "Lesson confirmed: Tue, Nov 24, 2026, 11:00 AM", "Price: $50.00"),
        ("fr-CA", "Lesson confirmed: Tue, Nov 24, 2026, 11:00 AM", "Price: $50.00"),
        ("../../de", "Lesson confirmed: Tue, Nov 24, 2026, 11:00 AM", "Price: $50.00"),
    ],
)
def test_dates_and_money_are_written_as_the_orders_language_writes_them(locale: str, subject: str, price: str) -> None:
    mail = write(message(locale=locale))
    assert mail["Subject"] == subject
    assert f"\n{price}\n" in text_of(mail)
    assert mail["Content-Language"] == Page(mail).tags[0][1]["lang"] == ("de" if "de" in locale.lower()[:2] else "en")


def test_money_has_the_decimals_of_its_currency() -> None:
    for currency, minor, said in (
        ("JPY", 2000, "¥2,000"),
        ("KWD", 1250, "KWD 1.250"),
        ("EUR", 5, "€0.05"),
        ("LAK", 5050, "LAK 50.50"),
        ("HUF", 500050, "HUF 5,000.50"),
    ):
        text = text_of(write(message(price={"amountMinor": minor, "currency": currency})))
        assert f"Price: {said}\n" in text


def test_who_cancelled_and_what_goes_back_is_said_to_each_in_their_words() -> None:
    student, tutor = (text_of(write(message("booking.cancelled", audience))) for audience in list(Audience)[1:])
    assert "You cancelled it.\n$25.00 goes back to the payment method that you used.\n" in student
    assert "The student cancelled it.\n$25.00 goes back to the student.\n" in tutor


def test_a_course_is_called_by_its_title_and_an_old_row_without_one_is_still_told() -> None:
    mail = write(message("enrollment.active"))
    assert mail["Subject"] == "You are enrolled: Chess for all"
    assert "You have a seat in “Chess for all”." in text_of(mail) and "Manage this enrollment" in text_of(mail)
    old = write(message("enrollment.active", courseTitle=None))
    assert old["Subject"] == "You are enrolled: Course" and "You have a seat in the course." in text_of(old)
    german = write(message("enrollment.active", courseTitle=None, locale="de"))
    assert "Sie haben einen Platz im Kurs.\n" in text_of(german)


@pytest.mark.parametrize("locale", sorted(TEXTS))
@pytest.mark.parametrize("audience", [Audience.STUDENT, Audience.TUTOR])
def test_a_row_of_an_earlier_version_is_told_with_what_it_has(audience: Audience, locale: str) -> None:
    for kind in TYPES:
        kept = ("bookingId", "enrollmentId", "studentId", "tutorId", "startTime")
        old = message(kind, audience, locale=locale)
        data = {name: value for name, value in old.data.items() if name in (*kept, "locale")}
        mail = write(replace(old, data=data), "")
        assert "None" not in text_of(mail) and "{" not in text_of(mail) and mail["Subject"]
        assert Page(mail).links == []


@pytest.mark.parametrize("audience", [Audience.STUDENT, Audience.TUTOR])
@pytest.mark.parametrize("locale", sorted(TEXTS))
@pytest.mark.parametrize("kind", sorted(TYPES))
def test_there_are_words_for_everything_that_is_told_and_html_says_the_same(
    kind: str, locale: str, audience: Audience
) -> None:
    if audience is Audience.TUTOR and locale != "en":
        words = choose_language(locale).texts["messages"][kind]
        assert words["tutor"] != words["student"]
        return
    mail = write(message(kind, audience, locale=locale))
    text, page = text_of(mail), Page(mail)
    assert "{" not in text + mail["Subject"] and "None" not in text
    for line in filter(None, text.split("\n")):
        label, _, value = line.partition(": ")
        assert line in page.text or line in (*page.links, *(f"{link}" for link in page.links)) or value in page.text
        assert label.rstrip(":") in page.text or label in page.links


def _leaves(texts: Any, path: str = "") -> Iterator[tuple[str, frozenset[str]]]:
    if isinstance(texts, dict):
        for name, value in texts.items():
            yield from _leaves(value, f"{path}/{name}")
    else:
        yield path, frozenset(re.findall(r"{(\w+)}", texts))


def test_every_language_has_the_same_texts_with_the_same_gaps() -> None:
    folder = Path(payment_svc.notifications.__file__).parent / "texts"
    files = {path.stem: dict(_leaves(json.loads(path.read_text(encoding="utf-8")))) for path in folder.glob("*.json")}
    assert files.keys() >= {"en", "de"}
    for language, leaves in files.items():
        assert leaves == files["en"], language


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("kind", ["booking.confirmed", "enrollment.active"])
def test_what_people_wrote_stays_text(text: str, kind: str) -> None:
    tame = write(message(kind, purpose="x", tutorName="x", courseTitle="x"))
    mail = write(message(kind, purpose=text, tutorName=text, courseTitle=text))
    assert [name for name, _ in mail.items()] == [name for name, _ in tame.items()]
    parts = [part.get_content_type() for part in mail.walk()]
    assert parts == [part.get_content_type() for part in tame.walk()]
    assert len(mail["Subject"]) < 120
    tags = [(tag, attributes.keys()) for tag, attributes in Page(mail).tags if tag not in ("tr", "td", "bdi")]
    assert tags == [(tag, attributes.keys()) for tag, attributes in Page(tame).tags if tag not in ("tr", "td", "bdi")]
    assert Page(mail).links == Page(tame).links
    for shown in (mail["Subject"], text_of(mail), text_of(mail, "html")):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", shown)
    assert not mail.defects and not any(part.defects for part in mail.walk())
    for line in bytes(write_mail(message(kind, purpose=text), "a@b.example", "c@d.example", "")).split(b"\r\n"):
        assert len(line) <= 200 and b"\n" not in line and b"\r" not in line


def test_a_long_text_ends_in_an_ellipsis_and_joiners_stay() -> None:
    assert cut_line("a" * 50, 10) == "a" * 9 + "…"
    assert cut_line("a" * 10, 10) == "a" * 10
    assert cut_line("می\u200cخواهم 👩\u200d🏫", 40) == "می\u200cخواهم 👩\u200d🏫"
    assert cut_line("\u202e\n\x00", 10) == ""


def test_equal_messages_have_equal_bytes_and_another_message_has_other_boundaries() -> None:
    told = message()
    once, again = (bytes(write_mail(told, "a@b.example", "c@d.example", MANAGE)) for _ in range(2))
    assert once == bytes(write_mail(replace(told, attempt=9), "a@b.example", "c@d.example", MANAGE)) == again
    other = bytes(write_mail(replace(told, id=UUID(int=8)), "a@b.example", "c@d.example", MANAGE))
    assert not set(re.findall(rb'boundary="(.*?)"', once)) & set(re.findall(rb'boundary="(.*?)"', other))


def test_a_mail_without_a_link_to_manage_says_nothing_of_it() -> None:
    mail = write(message(meetingLink=None), "")
    assert Page(mail).links == [] and "Do not pass it on" not in text_of(mail)


def test_the_name_of_the_reader_of_a_link_is_in_no_repr() -> None:
    from payment_svc.notifications.letters import write_letter

    assert MANAGE not in repr(write_letter(message(), MANAGE))
