"""axe-core in a page: WCAG 2.2 AA, and what its rules call good practice."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from playwright.async_api import Page

AXE = Path(__file__).parents[2] / "tools" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: The hundreds of time zones in a list are as good as a few, and so are free times.
_RUN = """async (options) => {
  const exclude = ['option:nth-of-type(n + 4)', 'li:nth-of-type(n + 4) .slot', ['tutormesh-slots', 'li:nth-of-type(n + 4)']];
  const found = await axe.run({ include: document, exclude }, options);
  return found.violations.map((rule) => [rule.id, rule.help, rule.nodes.map((node) => [node.html, node.failureSummary])]);
}"""


@cache
def source() -> str:
    assert AXE.exists(), "`make test` installs it; or: make tools/axe/node_modules"
    return AXE.read_text()


async def find_barriers(page: Page, *, only: str | None = None, but_for: str | None = None) -> list[str]:
    """What keeps somebody from using the page, as axe tells it. `only` is one rule, such as "color-contrast".

    `but_for` is a rule that is left out.

    The source is evaluated by the debugger's protocol: the page's own policy lets no such script in.
    """
    if not await page.evaluate("() => 'axe' in window"):
        await page.evaluate(source())
    run_only: dict[str, Any] = {"type": "rule", "values": [only]} if only else {"type": "tag", "values": TAGS}
    rules = {but_for: {"enabled": False}} if but_for else {}
    found = await page.evaluate(_RUN, {"runOnly": run_only, "rules": rules, "resultTypes": ["violations"]})
    return [f"{rule}: {help_}\n{_told(nodes)}" for rule, help_, nodes in found]


async def assert_accessible(page: Page, *, colours: bool = True) -> None:
    """No barrier. `colours`: in the light and in the dark; without, they were judged before, in another language."""
    found = await find_barriers(page, but_for=None if colours else "color-contrast")
    if colours:
        await page.emulate_media(color_scheme="dark")
        found += [f"in the dark: {barrier}" for barrier in await find_barriers(page, only="color-contrast")]
        await page.emulate_media(color_scheme="light")
    assert not found, "\n".join([page.url.partition("?")[0], *found])


def _told(nodes: list[tuple[str, str]]) -> str:
    return "\n".join(f"    {html:.200}\n      {' '.join(summary.split())}" for html, summary in nodes)
