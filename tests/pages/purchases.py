"""The pages of a purchase, as a person finds things in them: by their roles and words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.pages.browser import Visitor

TEXTS = Path(__file__).parents[2] / "bff" / "pages" / "texts"


@cache
def texts(language: str) -> dict[str, dict[str, Any]]:
    """The texts of the pages in a language, by section and key."""
    return dict(json.loads((TEXTS / f"{language}.json").read_text()))


@dataclass
class Checkout:
    """The page to pay on."""

    visitor: Visitor
    language: str = "en"

    @property
    def page(self) -> Page:
        return self.visitor.page

    def text(self, key: str, section: str = "checkout", **values: str) -> str:
        return str(texts(self.language)[section][key]).format(**values)

    async def open(self, url: str) -> None:
        await self.page.goto(url)
        await expect(self.pay_button).to_be_enabled()

    @property
    def pay_button(self) -> Locator:
        return self.page.locator("#pay")

    @property
    def problem(self) -> Locator:
        return self.page.locator("#problem")

    def card(self, name: str) -> Locator:
        return self.page.get_by_role("radio", name=self.text(name, "sandbox"))

    async def pay(self, card: str = "good") -> None:
        """Choose a test card, and press the button."""
        await self.card(card).check()
        await self.pay_button.click()

    async def shows(self, panel: str) -> None:
        """The page comes to show this panel, and no other."""
        await expect(self.page.locator(f"[data-panel={panel}]")).to_be_visible()
        await expect(self.page.locator("[data-panel]:visible")).to_have_count(1)

    async def come_back(self) -> None:
        """Return to the tab, as a person does who was away: the page looks at once instead of at its next turn."""
        await self.page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")

    async def authenticate(self, button: str) -> None:
        """Do at the bank's page what this button does."""
        await self.page.get_by_role("button", name=self.text(button, "sandbox")).click()


@dataclass
class Managing:
    """The page to manage a purchase."""

    visitor: Visitor
    language: str = "en"

    @property
    def page(self) -> Page:
        return self.visitor.page

    def text(self, key: str, **values: str) -> str:
        return str(texts(self.language)["manage"][key]).format(**values)

    async def open(self, url: str) -> None:
        await self.page.goto(url)
        await expect(self.page.locator("#cancel-start")).to_be_enabled()

    async def shows(self, status: str) -> None:
        await expect(self.page.locator("#status-title")).to_have_text(self.text(f"status_{status}"))

    async def ask_for_a_quote(self) -> Locator:
        """The words of the quote."""
        await self.page.locator("#cancel-start").click()
        quote = self.page.locator("#quote-text")
        await expect(quote).to_be_visible()
        return quote

    async def cancel(self) -> None:
        await self.page.locator("#quote-confirm").click()
