"""How often somebody may ask: a token bucket each, in this process's memory."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from grpc import StatusCode

from mesh.errors import Refusal

PER_SECOND, BURST = 50.0, 100.0
REMEMBERED = 10_000


class RateLimited(Refusal):
    """Too many requests; ask again in a moment."""

    code = StatusCode.RESOURCE_EXHAUSTED
    reason = "RATE_LIMITED"

    def __init__(self, message: str = "", *, field: str = "", retry_after: float = 1.0) -> None:
        super().__init__(message, field=field)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a bucket said: may this request pass, and how many more may come at once."""

    is_admitted: bool
    tokens: float

    @property
    def retry_after(self) -> float:
        """Seconds until the next request would pass; 0 when it would now."""
        return max(0.0, (1 - self.tokens) / PER_SECOND)

    def headers(self) -> dict[str, str]:
        """As HTTP tells it (draft-ietf-httpapi-ratelimit-headers: three fields of version 03, two of version 10)."""
        left, reset = int(self.tokens), math.ceil((BURST - self.tokens) / PER_SECOND)
        told = {
            "ratelimit-limit": f"{BURST:.0f}",
            "ratelimit-remaining": str(left),
            "ratelimit-reset": str(reset),
            "ratelimit-policy": f'"default";q={BURST:.0f};w={BURST / PER_SECOND:.0f}',
            "ratelimit": f'"default";r={left};t={reset}',
        }
        return told if self.is_admitted else told | {"retry-after": str(max(1, math.ceil(self.retry_after)))}


class Rates:
    """50 requests a second, 100 at once, for each key. The least recently seen of 10 000 keys is forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, remembered: int = REMEMBERED) -> None:
        self._clock, self._remembered = clock, remembered
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable) -> Allowance:
        """Takes one token of the key's bucket; refused, and nothing taken, when it is empty."""
        now = self._clock()
        tokens, at = self._buckets.pop(key, (BURST, now))
        tokens = min(BURST, tokens + (now - at) * PER_SECOND)
        admitted = tokens >= 1
        left = tokens - 1 if admitted else tokens
        self._buckets[key] = (left, now)
        if len(self._buckets) > self._remembered:
            self._buckets.popitem(last=False)
        return Allowance(admitted, left)
