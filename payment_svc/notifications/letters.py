"""What a message says to a person: other words for the student than for the tutor, in the language of the order.

A student reads in the order's language and time zone, else in the tutor's zone. A tutor's language is not known: a tutor
reads English, in the zone of the tutor's hours. Without a zone times are in UTC.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup, escape

from mesh.languages import Texts
from mesh.money import Money
from mesh.plain_text import cut_line
from payment_svc.domain.messages import Audience, Message
from payment_svc.notifications.language import Language, choose_language

MOST_NAME, MOST_IN_SUBJECT, MOST_PURPOSE = 120, 60, 1000
UTC = "UTC"


@dataclass(frozen=True, slots=True)
class Sentence:
    """Our words, with what others wrote in their gaps."""

    words: str
    values: dict[str, str]

    @property
    def text(self) -> str:
        return self.words.format(**self.values)

    @property
    def html(self) -> Markup:
        """The same, escaped. What others wrote cannot change the direction of our words."""
        isolated = {name: Markup("<bdi>{}</bdi>").format(value) for name, value in self.values.items()}
        return escape(self.words).format(**isolated)


@dataclass(frozen=True, slots=True)
class Fact:
    """A line about the purchase."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Action:
    """A link to follow. The link is a secret of its reader."""

    name: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in words."""

    language: Language
    subject: str
    title: str
    paragraphs: tuple[Sentence, ...]
    facts: tuple[Fact, ...]
    actions: tuple[Action, ...]
    hint: str
    reference: str


def write_letter(message: Message, manage_url: str, *, notes: tuple[str, ...] = ()) -> Letter:
    """The letter to the message's person. `notes` name texts that say more, such as that something is attached."""
    reader = Reader.of(message)
    words = reader.texts["messages"][message.type][reader.role]
    said = [reader.sentence(words["body"]), *reader.more(), *(reader.sentence(reader.texts[note]) for note in notes)]
    return Letter(
        language=reader.language,
        subject=reader.sentence(words["subject"], MOST_IN_SUBJECT).text,
        title=words["title"],
        paragraphs=tuple(said),
        facts=tuple(reader.facts()),
        actions=tuple(reader.actions(manage_url)),
        hint=reader.texts["manage_hint"] if manage_url else "",
        reference=reader.texts["reference"].format(id=message.subject_id),
    )


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a message, and how."""

    message: Message
    role: str  # the key of their words: student or tutor
    language: Language
    zone: ZoneInfo

    @classmethod
    def of(cls, message: Message) -> Reader:
        data, is_student = message.data, message.route.audience is Audience.STUDENT
        zone = (data.get("timezone") if is_student else None) or data.get("tutorTimezone") or UTC
        language = choose_language((data.get("locale") if is_student else None) or "")
        return cls(message, "student" if is_student else "tutor", language, _zone(zone))

    @property
    def texts(self) -> Texts:
        return self.language.texts

    @property
    def start(self) -> datetime | None:
        """The lesson's start on the reader's clock; None for a course."""
        start = self.message.data.get("startTime")
        return datetime.fromisoformat(start).astimezone(self.zone) if start else None

    @property
    def end(self) -> datetime | None:
        """The lesson's end on the reader's clock; None when nobody wrote down how long it is."""
        start, minutes = self.message.data.get("startTime"), self.message.data.get("durationMinutes")
        if not start or not minutes:
            return None
        return (datetime.fromisoformat(start) + timedelta(minutes=minutes)).astimezone(self.zone)

    def told(self, name: str, most: int = MOST_NAME) -> str:
        """A text of the message that somebody else wrote; empty when there is none."""
        return cut_line(self.message.data.get(name) or "", most)

    def money(self, name: str) -> str:
        value = self.message.data.get(name)
        return self.language.money(Money(value["amountMinor"], value["currency"])) if value else ""

    def sentence(self, words: str, most: int = MOST_NAME) -> Sentence:
        """Our words with the values of this message. What others wrote has at most so many characters."""
        title = self.told("courseTitle", most)
        if not title and not self.texts["unnamed_course"]:
            words = words.replace(" {course}", "")
        values = {
            "when": self.language.moment(self.start) if self.start else "",
            "tutor": self.told("tutorName", most) or self.texts["unnamed_tutor"],
            "course": self.texts["quoted"].format(title=title) if title else self.texts["unnamed_course"],
            "course_title": title or self.texts["facts"]["course"],
            "amount": self.money("refund"),
            "refund_due": self.money("refundDue"),
        }
        return Sentence(words, values)

    def more(self) -> Iterator[Sentence]:
        """Who cancelled it, and what goes back."""
        who = self.texts["cancelled_by"][self.role].get(self.message.data.get("cancelledBy"))
        if who:
            yield self.sentence(who)
        if self.message.data.get("refundDue"):
            yield self.sentence(self.texts["refund_due"][self.role])

    def facts(self) -> Iterator[Fact]:
        names = self.texts["facts"]
        for name, value in self._values():
            if value:
                yield Fact(names[name], value)

    def actions(self, manage_url: str) -> Iterator[Action]:
        if link := self.message.data.get("meetingLink"):
            yield Action(self.texts["join"], link)
        if manage_url:
            kind = "enrollment" if self.message.data.get("enrollmentId") else "booking"
            yield Action(self.texts["manage"][kind], manage_url)

    def _values(self) -> Iterator[tuple[str, str]]:
        if self.start:
            yield "date", self.language.date(self.start)
            yield "time", self.language.span(self.start, self.end) if self.end else self.language.time(self.start)
            yield "zone", self.language.zone(self.start, self.zone.key)
        if self.role == "student":
            yield "tutor", self.told("tutorName")
        yield "course", self.told("courseTitle")
        yield "purpose", self.told("purpose", MOST_PURPOSE)
        yield "price", self.money("price")
        yield "refund_due", self.money("refundDue")
        yield "refund", self.money("refund")


def _zone(name: str) -> ZoneInfo:
    """The zone; UTC for one that this machine does not know any more."""
    with contextlib.suppress(ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(name)
    return ZoneInfo(UTC)
