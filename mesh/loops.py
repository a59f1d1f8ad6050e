"""Loops that outlive their errors, and how long to wait before the next try."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from mesh import calls
from mesh.errors import CallFailed, Refusal, describe
from mesh.logs import log

#: The pauses of durable work double up to a cap; work that has failed for ten minutes is tried every five.
FIRST_SECONDS, CAP_SECONDS = 1.0, 30.0
LATE_AFTER_SECONDS, LATE_SECONDS = 600.0, 300.0
#: Attempts beyond this one do not double the pause any more; every cap is reached long before.
MOST_DOUBLINGS = 20


async def run_forever(name: str, work: Callable[[], Awaitable[object]], pause: float) -> None:
    """Await `work` again and again until this task is cancelled.

    The next round begins at once after a true result, else after `pause` seconds ± 20 %. Each round is background work:
    no person, no deadline. An error of `work` never ends the loop:

        Refusal, CallFailed     a warning `{name}_failed`: the database or a peer is away
        any other exception     an error `{name}_crashed`
    """
    while True:
        with calls.background():
            has_more = await _run_logged(name, work)
        await asyncio.sleep(0 if has_more else jitter(pause))


async def _run_logged(name: str, work: Callable[[], Awaitable[object]]) -> bool:
    try:
        return bool(await work())
    except (Refusal, CallFailed) as error:
        log().warning(f"{name}_failed", **describe(error))
    except Exception as error:
        log().error(f"{name}_crashed", exc_info=error)
    return False


def back_off_seconds(attempt: int, seconds_in_state: float = 0.0) -> float:
    """Seconds until durable work that failed is tried again.

    `attempt` counts the failures before this one. The pause is 1 s × 2ⁿ, at most 30 s, × a random factor from 0.5 to 1.
    Work that has been in its state for more than 10 minutes pauses 5 minutes ± 20 %.
    """
    if seconds_in_state > LATE_AFTER_SECONDS:
        return jitter(LATE_SECONDS)
    return doubled_pause(attempt, FIRST_SECONDS, CAP_SECONDS)


def doubled_pause(attempt: int, first: float, cap: float) -> float:
    """Seconds before the next try: `first` × 2ⁿ, at most `cap`, × a random factor from 0.5 to 1."""
    return jitter(min(cap, first * 2.0 ** min(attempt, MOST_DOUBLINGS)), 0.5, 1.0)


def jitter(seconds: float, least: float = 0.8, most: float = 1.2) -> float:
    """`seconds` × a random factor from `least` to `most`, so that replicas do not act in step."""
    return seconds * random.uniform(least, most)  # noqa: S311 - jitter is no secret
