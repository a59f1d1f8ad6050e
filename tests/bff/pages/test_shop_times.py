"""The shop's times over daylight saving, and its amounts: its own modules, run by Node."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import bff.pages
from tests.bff.node import NODE

FOLDER = Path(bff.pages.__file__).parent / "static" / "shop"
HEAD = """
globalThis.document = { documentElement: { lang: "en-GB" }, getElementById: () => ({ textContent: "{}" }) };
"""


async def run(script: str, zone: str = "Europe/Berlin") -> Any:
    """What the script prints, as JSON, on a computer in this zone. It finds the module in `words`."""
    head = f"{HEAD}const words = await import({json.dumps((FOLDER / 'words.js').as_uri())});"
    process = await asyncio.create_subprocess_exec(
        NODE, "--input-type=module", "--eval", head + script, stdout=asyncio.subprocess.PIPE, env={"TZ": zone}
    )
    told, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    return json.loads(told)


async def test_times_are_right_over_both_changes_of_the_clocks() -> None:
    told = await run("""
const iso = (shown) => new Date(words.instant(shown)).toISOString();
console.log(JSON.stringify({
  winter: iso("2026-01-31T09:00"), summer: iso("2026-07-31T09:00"),
  skipped: iso("2026-03-29T02:30"), twice: iso("2026-10-25T02:30"),
  hours: ["2026-03-29", "2026-10-25"].map((day) => (words.dayStart(words.addDays(day, 1)) - words.dayStart(day)) / 3600000),
  usual: words.span("2026-10-24T07:00:00Z", "2026-10-24T08:00:00Z"),
  changed: words.span("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
  week: words.weekOf("2026-11-27"),
}))""")
    assert told["winter"] == "2026-01-31T08:00:00.000Z"
    assert told["summer"] == "2026-07-31T07:00:00.000Z"
    assert told["skipped"] == "2026-03-29T01:30:00.000Z"
    assert told["twice"] == "2026-10-25T00:30:00.000Z"
    assert told["hours"] == [23, 25]
    assert told["usual"] == "9:00\u00a0– 10:00"
    assert told["changed"].count("CEST") + told["changed"].count("CET") == 2
    assert (told["week"][0], told["week"][6]) == ("2026-11-23", "2026-11-29")


async def test_times_are_in_the_zone_of_the_computer() -> None:
    script = """console.log(JSON.stringify([words.zone, words.dayOf("2026-11-27T20:00:00Z")]))"""
    assert await run(script, "Asia/Tokyo") == ["Asia/Tokyo", "2026-11-28"]


async def test_amounts_are_written_as_the_locale_does_with_the_apis_minor_units() -> None:
    told = await run("""console.log(JSON.stringify([["USD", "50.00"], ["JPY", "2000"], ["KWD", "1.250"],
  ["MGA", "700"], ["HUF", "5000.50"], ["LAK", "50.05"]].map(
  ([currency, decimal]) => words.money({ currency, decimal }))))""")
    assert told == ["US$50.00", "JP¥2,000", "KWD\u00a01.250", "MGA\u00a0700", "HUF\u00a05,000.50", "LAK\u00a050.05"]
