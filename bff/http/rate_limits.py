"""How much a caller may ask: a token bucket for each, in this process's memory.

A plain request costs one unit. What costs more is charged when it is known, also when less is left: then the caller owes,
and nothing more of theirs is begun until the bucket has filled again.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from grpc import StatusCode

from mesh.errors import Refusal

PER_SECOND, BURST = 50.0, 100.0
MAX_KEYS = 10_000


class RateLimited(Refusal):
    """Too many requests; ask again in a moment."""

    code = StatusCode.RESOURCE_EXHAUSTED
    reason = "RATE_LIMITED"

    def __init__(self, message: str = "", *, field: str = "", retry_after: float = 1.0) -> None:
        super().__init__(message, field=field)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Allowance:
    """A bucket's answer: may this request pass, and how many units are left; fewer than none when the caller owes."""

    is_allowed: bool
    tokens: float
    per_second: float = PER_SECOND
    burst: float = BURST

    @property
    def retry_after(self) -> float:
        """Seconds until the next request would pass; 0 when it would pass now."""
        return max(0.0, (1 - self.tokens) / self.per_second)

    def headers(self) -> dict[str, str]:
        """draft-ietf-httpapi-ratelimit-headers: three fields of version 03 and two of version 10."""
        left, reset = max(0, int(self.tokens)), math.ceil((self.burst - self.tokens) / self.per_second)
        headers = {
            "ratelimit-limit": f"{self.burst:.0f}",
            "ratelimit-remaining": str(left),
            "ratelimit-reset": str(reset),
            "ratelimit-policy": f'"default";q={self.burst:.0f};w={self.burst / self.per_second:.0f}',
            "ratelimit": f'"default";r={left};t={reset}',
        }
        return headers if self.is_allowed else headers | {"retry-after": str(max(1, math.ceil(self.retry_after)))}


class RateLimiter:
    """So many units a second and at once for each key. Of more than 10,000 keys the least recently used goes."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        max_keys: int = MAX_KEYS,
        *,
        per_second: float = PER_SECOND,
        burst: float = BURST,
    ) -> None:
        self._clock, self._max_keys = clock, max_keys
        self._per_second, self._burst = per_second, burst
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take_token(self, key: Hashable) -> Allowance:
        """Takes one unit from the key's bucket. An empty bucket refuses, and loses nothing."""
        tokens = self._fill(key)
        is_allowed = tokens >= 1
        return self._keep(key, tokens - 1 if is_allowed else tokens, is_allowed=is_allowed)

    def charge(self, key: Hashable, units: float) -> Allowance:
        """Takes so many units, more than there are too; a negative number gives units back."""
        return self._keep(key, min(self._burst, self._fill(key) - units), is_allowed=True)

    def look(self, key: Hashable) -> Allowance:
        """The bucket as it is. It allows nothing while the caller owes."""
        tokens = self._fill(key)
        return self._keep(key, tokens, is_allowed=tokens >= 0)

    def _fill(self, key: Hashable) -> float:
        """The units in the bucket by now."""
        now = self._clock()
        tokens, at = self._buckets.pop(key, (self._burst, now))
        return min(self._burst, tokens + (now - at) * self._per_second)

    def _keep(self, key: Hashable, tokens: float, *, is_allowed: bool) -> Allowance:
        self._buckets[key] = (tokens, self._clock())
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return Allowance(is_allowed, tokens, self._per_second, self._burst)
