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
globalThis.localStorage = { getItem: () => "Europe/Berlin", setItem() {} };
"""


async def run(script: str) -> Any:
    """What the script prints, as JSON. It finds the modules in `time` and `texts`."""
    imports = "".join(
        f"const {name} = await import({json.dumps((FOLDER / f'{name}.js').as_uri())});" for name in _NAMES
    )
    process = await asyncio.create_subprocess_exec(
        NODE, "--input-type=module", "--eval", HEAD + imports + script, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    return json.loads(told)


_NAMES = ("texts", "time")


async def test_times_are_right_over_both_changes_of_the_clocks() -> None:
    told = await run("""
const iso = (shown) => new Date(time.instant(shown)).toISOString();
console.log(JSON.stringify({
  winter: iso("2026-01-31T09:00"), summer: iso("2026-07-31T09:00"),
  skipped: iso("2026-03-29T02:30"), twice: iso("2026-10-25T02:30"),
  hours: ["2026-03-29", "2026-10-25"].map((day) => (time.dayStart(time.addDays(day, 1)) - time.dayStart(day)) / 3600000),
  usual: time.span("2026-10-24T07:00:00Z", "2026-10-24T08:00:00Z"),
  changed: time.span("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
  week: time.weekOf("2026-11-27"), local: time.local("2026-10-25T01:30:00Z"),
}))""")
    assert told["winter"] == "2026-01-31T08:00:00.000Z"
    assert told["summer"] == "2026-07-31T07:00:00.000Z"
    assert told["skipped"] == "2026-03-29T01:30:00.000Z"
    assert told["twice"] == "2026-10-25T00:30:00.000Z"
    assert told["hours"] == [23, 25]
    assert told["usual"] == "9:00\u00a0– 10:00"
    assert told["changed"].count("CEST") + told["changed"].count("CET") == 2
    assert (told["week"][0], told["week"][6], told["local"]) == ("2026-11-23", "2026-11-29", "2026-10-25T02:30")


async def test_a_zone_that_there_is_not_becomes_the_computers() -> None:
    told = await run("""time.setZone("Not/AZone"); const here = time.zone; time.setZone("Asia/Tokyo");
console.log(JSON.stringify([here === Intl.DateTimeFormat().resolvedOptions().timeZone, time.zone,
  time.dayOf("2026-11-27T20:00:00Z")]))""")
    assert told == [True, "Asia/Tokyo", "2026-11-28"]


async def test_amounts_are_written_as_the_locale_does_with_the_apis_minor_units() -> None:
    told = await run("""console.log(JSON.stringify([["USD", "50.00"], ["JPY", "2000"], ["KWD", "1.250"],
  ["MGA", "700"], ["HUF", "5000.50"], ["LAK", "50.05"]].map(
  ([currency, decimal]) => texts.money({ currency, decimal }))))""")
    assert told == ["US$50.00", "JP¥2,000", "KWD\u00a01.250", "MGA\u00a0700", "HUF\u00a05,000.50", "LAK\u00a050.05"]
