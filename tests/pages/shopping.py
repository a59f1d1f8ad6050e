"""The shop, as a person finds things in it, and the demo people who log in there."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
from playwright.async_api import Locator, Page, expect

from devkit.people import TUTORS
from tests.pages.browser import Visitor
from tests.people import People
from tests.world import World
from tutormesh.learning.v1 import learning_pb2


@dataclass(frozen=True)
class DemoPeople:
    """Who the shop lets log in with one click: a tutor who has a course, and a student of the test's own."""

    world: World
    file: Path
    tutor: UUID
    course: learning_pb2.Course

    def admit(self, student: UUID) -> None:
        """From now on this student may log in, and no other."""
        known = (("student", "Sam", student), ("tutor", "Nora", self.tutor))
        people = [
            {"id": str(id_), "name": name, "role": role, "token": self.world.token(role, subject=id_)}
            for role, name, id_ in known
        ]
        self.file.write_text(json.dumps({"people": people}))


async def open_shop(world: World, file: Path) -> DemoPeople:
    """The tutors and courses of the shop window, in a world where nobody else is listed."""
    async with httpx.AsyncClient() as http:
        people = People(world, http, {})
        day = {"start": "08:00", "end": "20:00", "start_every_minutes": 30}
        known = UUID(TUTORS[0].id)  # whom the explorer's examples know
        tutor = await people.tutor(tutor=known, display_name="Nora Field", timezone="Europe/Berlin", **day)
        await people.tutor(4500, "EUR", display_name="Jonas Weber", timezone="Europe/Vienna", **day)
        other = await people.tutor(6000, "JPY", display_name="Yuki Tanaka", timezone="Asia/Tokyo", **day)
        await people.course(
            9000, "JPY", title="Japanese conversation, a small group", instructor_id=str(other), seats=4
        )
        course = await people.course(12000, title="Fractions, from the beginning", instructor_id=str(tutor), seats=12)
        for channel in people.channels.values():
            await channel.close()
    return DemoPeople(world, file, tutor, course)


@dataclass
class Shop:
    """The shop in somebody's window."""

    visitor: Visitor
    demo: DemoPeople

    @property
    def page(self) -> Page:
        return self.visitor.page

    async def enter(self, name: str = "Sam", *, student: UUID | None = None, language: str = "en") -> UUID:
        """Log in as the tutor, or as a new student unless one is given."""
        student = student or uuid4()
        self.demo.admit(student)
        await self.page.goto(f"{self.demo.world.bff_url}/shop?lang={language}")
        await self.log_in(name)
        return student

    async def log_in(self, name: str = "Sam") -> None:
        """Press the button of this person, on the page where one chooses who one is."""
        await self.page.get_by_role("button", name=name, exact=True).click()
        await self.is_quiet()

    async def go(self, place: str) -> None:
        """Follow a link within the shop."""
        await self.page.evaluate("(hash) => { location.hash = hash; }", place)
        await self.is_quiet()

    async def is_quiet(self) -> None:
        """Wait until the view has what it asked for."""
        await expect(self.page.locator("#view")).to_have_attribute("aria-busy", "false")
        await expect(self.page.locator("#view h1")).to_be_visible()

    async def choose(self, start: datetime, tutor: UUID | None = None) -> None:
        """In the week of this time, choose the time: the dialog to book it opens."""
        await self.go(f"#find/{tutor or self.demo.tutor}/{start:%Y-%m-%d}/60")
        await self.page.locator(f'[data-key^="{start:%Y-%m-%dT%H:%M}"]').click()
        await expect(self.page.locator("dialog#book")).to_be_visible()

    async def book(self, start: datetime, button: str = "pay") -> None:
        """Book the time: `pay` leads to the page to pay on, `later` holds it."""
        await self.choose(start)
        await self.page.locator(f"#book [name={button}]").click()

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the visitor, in which the shop shows times."""
        return ZoneInfo("Europe/Berlin")

    @property
    def pay_link(self) -> Locator:
        """The way from a held lesson to the page to pay on."""
        return self.page.locator('#view [data-key^="pay-"]')

    def lessons(self, status: str) -> Locator:
        """The cards of what has this status."""
        return self.page.locator(".card", has=self.page.locator(".badge", has_text=re.compile(f"^{status}$")))
