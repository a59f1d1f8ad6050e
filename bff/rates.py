"""How often a person may ask: a token bucket each, in this process's memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

PER_SECOND, BURST = 50.0, 100.0
REMEMBERED = 10_000


class Rates:
    """50 requests a second, 100 at once, for each key. The least recently seen of 10 000 keys is forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, remembered: int = REMEMBERED) -> None:
        self._clock, self._remembered = clock, remembered
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def admits(self, key: Hashable) -> bool:
        """Takes one token of the key's bucket; False when it is empty."""
        now = self._clock()
        tokens, at = self._buckets.pop(key, (BURST, now))
        tokens = min(BURST, tokens + (now - at) * PER_SECOND)
        admitted = tokens >= 1
        self._buckets[key] = (tokens - 1 if admitted else tokens, now)
        if len(self._buckets) > self._remembered:
            self._buckets.popitem(last=False)
        return admitted
