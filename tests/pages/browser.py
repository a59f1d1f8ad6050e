"""Debian's Chromium, driven by Playwright: visitors whose pages may break no rule of ours while a test looks at them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    Response,
    WebError,
    async_playwright,
    expect,
)

#: How long a page may take to show what a test waits for.
SECONDS = 15.0
NAMES = ("chromium", "chromium-browser", "google-chrome")
#: The path of a browser that is not on the path of commands.
SETTING = "CHROMIUM"
MISSING = f"no Chromium on the path, so no page was opened (apt-get install chromium, or set {SETTING})"
#: What keeps a browser that lives for a minute from doing more than showing pages.
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-lcd-text",
    "--disable-sync",
    "--renderer-process-limit=2",
)
#: Chromium's words for an answer of 400 or more. `expected` statuses are judged by the answers themselves.
_FAILED_TO_LOAD = "Failed to load resource: the server responded with a status of"


def find_chromium() -> str | None:
    """The path of the browser; None when this machine has none. A setting that names none is an error, not a skip."""
    if named := os.environ.get(SETTING):
        found = shutil.which(named)
        assert found, f"{SETTING}: there is no program {named}"
        return found
    return next((path for path in map(shutil.which, NAMES) if path), None)


@contextlib.asynccontextmanager
async def run_chromium(path: str) -> AsyncIterator[Browser]:
    """A headless browser while inside."""
    async with async_playwright() as playwright:
        expect.set_options(timeout=SECONDS * 1000)
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Visitor:
    """One person's browser window, with cookies and storage of its own, and whatever goes wrong in it."""

    context: BrowserContext
    page: Page
    #: The origins that its pages may talk to.
    origins: set[str]
    #: Statuses of 400 and more that the test brings about.
    expected: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    _answers: list[Response] = field(default_factory=list)

    def watch(self) -> None:
        """Take down every error from now on, in every page of the window."""
        self.context.on("console", self._hear)
        self.context.on("weberror", self._crash)
        self.context.on("dialog", self._interrupt)
        self.context.on("request", self._leave)
        self.context.on("response", self._answer)

    def tab(self, page: Page) -> Visitor:
        """The same person at another tab of the window; what goes wrong in either is taken down together."""
        return replace(self, page=page)

    @contextlib.contextmanager
    def expecting(self, *statuses: int) -> Iterator[None]:
        """Within, and for what was asked within, answers with these statuses are no problem."""
        self.expected.update(statuses)
        yield

    async def forgive(self, *patterns: str) -> None:
        """A test wanted a problem with each of these words: wait for it. Such problems count no more."""
        for pattern in patterns:
            deadline = time.monotonic() + SECONDS
            while not any(re.search(pattern, problem) for problem in self.problems):
                assert time.monotonic() < deadline, f"nothing says {pattern!r}: {self.problems}"
                await asyncio.sleep(0.02)
        self.problems[:] = [problem for problem in self.problems if not re.search("|".join(patterns), problem)]

    def assert_no_problem(self) -> None:
        """Fail with everything that broke a rule."""
        failed = [
            f"{answer.status} {answer.request.method} {answer.url}"
            for answer in self._answers
            if answer.status >= 400 and answer.status not in self.expected
        ]
        assert not self.problems + failed, "\n".join(self.problems + failed)

    def answers(self, pattern: str = "") -> list[Response]:
        """The answers so far whose address has this pattern, in order."""
        return [answer for answer in self._answers if re.search(pattern, answer.url)]

    async def received(self, pattern: str = "", since: int = 0) -> str:
        """All text that the server has sent in the answers so far, from the one with this number on."""
        kinds = ("document", "fetch", "xhr", "script")
        answers = [answer for answer in self.answers(pattern)[since:] if answer.request.resource_type in kinds]
        texts = []
        for answer in answers:
            with contextlib.suppress(Exception):  # a page that was left takes its bodies along
                texts.append(await answer.text())
        return "\n".join(texts)

    async def held(self) -> str:
        """Everything in which the page could keep a secret: its document, its address, its storage, its window's names."""
        return str(await self.page.evaluate(_EVERYTHING))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_FAILED_TO_LOAD):
            self.problems.append(f"{message.type} in the console: {message.text}")

    def _crash(self, error: WebError) -> None:
        self.problems.append(f"uncaught in the page: {error.error}")

    async def _interrupt(self, dialog: Dialog) -> None:
        self.problems.append(f"the page opened a dialog: {dialog.message}")
        await dialog.dismiss()

    def _leave(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and f"{parts.scheme}://{parts.netloc}" not in self.origins:
            self.problems.append(f"a request to a foreign origin: {request.url}")
        if re.search(r"/(checkout|manage)/", request.headers.get("referer", "")):
            self.problems.append(f"a link was told as a Referer: to {request.url}")

    def _answer(self, answer: Response) -> None:
        self._answers.append(answer)


_EVERYTHING = """() => {
  const inputs = [...document.querySelectorAll('input, textarea')].map((input) => input.value);
  return [document.documentElement.outerHTML, location.href, document.cookie, JSON.stringify(history.state), window.name,
    JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.body.innerText, ...inputs].join('\\n');
}"""


@contextlib.asynccontextmanager
async def visiting(browser: Browser, *origins: str, **options: Any) -> AsyncIterator[Visitor]:
    """A window of a new person, closed at the end. Fails at the end when a page broke a rule.

    `options` are Playwright's: `locale`, `timezone_id`, `viewport`, `color_scheme`.
    """
    given = {
        "locale": "en-GB",
        "timezone_id": "Europe/Berlin",
        "viewport": {"width": 1280, "height": 800},
        "reduced_motion": "reduce",
        **options,
    }
    context = await browser.new_context(**given)
    try:
        context.set_default_timeout(SECONDS * 1000)
        visitor = Visitor(context, await context.new_page(), set(origins))
        visitor.watch()
        yield visitor
        await asyncio.sleep(0)  # what the page has said already is heard
        visitor.assert_no_problem()
    finally:
        await context.close()
