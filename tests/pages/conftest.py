"""One browser and one running mesh for this folder; a window of its own for each person of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from bff.settings import Options
from devkit.ports import reserve_port
from mesh.identity import Verifier
from mesh.production import SANDBOX_KEYS
from payment_svc.providers.sessions import AskedEngine
from tests.audited import Tampering, assert_clean
from tests.conftest import MakeDatabase
from tests.fake_engine import fake_engine
from tests.inhabited import people  # noqa: F401 - a fixture
from tests.pages.browser import MISSING, Visitor, find_chromium, run_chromium, visiting
from tests.pages.links import Links
from tests.pages.purchases import Checkout, Managing
from tests.pages.shopping import DemoPeople, Shop, open_shop
from tests.people import People, lesson_time
from tests.world import World, world_of


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Skip this folder where there is no browser. A skip from here is one line of the summary, whatever its number."""
    if find_chromium() is None:
        pytest.skip(MISSING)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    path = find_chromium()
    assert path is not None
    async with run_chromium(path) as browser:
        yield browser


@pytest.fixture(scope="package")
def foreign_origin() -> str:
    """Where somebody else's page lives, which may use the component."""
    return f"http://localhost:{reserve_port()}"


@pytest.fixture(scope="package")
def people_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tokens of those who may log in at the shop."""
    return tmp_path_factory.mktemp("people") / "people.json"


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def world(
    foreign_origin: str,
    people_file: Path,
    make_database: MakeDatabase,
    token: Callable[..., str],
    auth_settings: dict[str, Any],
    verifier: Verifier,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """The whole mesh with its edge on a loopback port. At the end it comes to rest, and its audit is clean."""
    folder = tmp_path_factory.mktemp("pages")
    options = Options(
        publishable_key=SANDBOX_KEYS["STRIPE_PUBLISHABLE_KEY"],
        cors_origins=(foreign_origin,),
        demo_tokens_file=people_file,
        public_availability=True,
    )
    rooms = {"meeting_link_template": "https://meet.example.org/{room}"}
    engines = {"payment_engines": "stripe,callback,acme"}
    settings: dict[str, Any] = {"edge": options, "session": rooms, "payment": engines}
    async with (
        world_of(make_database, token, auth_settings, verifier, folder, **settings) as running,
        fake_engine() as acme,
    ):
        running.asked["acme"] = AskedEngine(acme.url, acme.secret)
        tampering = Tampering(running)
        yield running
        await assert_clean(running, but_for=tampering.ids)


@pytest_asyncio.fixture(loop_scope="session")
async def open_window(chromium: Browser, world: World) -> AsyncIterator[Callable[..., Any]]:
    """`await open_window(locale="de-DE", …)`: a window of one more person, who may talk to the edge alone."""
    async with AsyncExitStack() as stack:

        async def open_one(*origins: str, **options: Any) -> Visitor:
            return await stack.enter_async_context(visiting(chromium, world.bff_url, *origins, **options))

        yield open_one


@pytest.fixture
def links(world: World) -> Links:
    return Links(world)


@pytest.fixture
async def lesson(people: People) -> Any:  # noqa: F811
    """A lesson to pay for, held for a new student."""
    tutor = await people.tutor(display_name="Nora Field", listed=False)
    return await people.book(tutor, lesson_time(), timezone="Europe/Berlin", purpose="Fractions")


@pytest.fixture
async def checkout(open_window: Callable[..., Any]) -> Checkout:
    """The page to pay on, in the window of a student."""
    return Checkout(await open_window())


@pytest.fixture
async def managing(open_window: Callable[..., Any]) -> Managing:
    """The page to manage a purchase, in a window."""
    return Managing(await open_window())


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def demo_people(world: World, people_file: Path) -> DemoPeople:
    """The one tutor and the course of the shop window, and whoever logs in there."""
    return await open_shop(world, people_file)


@pytest.fixture
async def shop(open_window: Callable[..., Any], demo_people: DemoPeople) -> Shop:
    """The shop, in the window of somebody who has not logged in."""
    return Shop(await open_window(), demo_people)
