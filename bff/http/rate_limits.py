"""How often a caller may send requests: a token bucket for each, in this process's memory."""

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
    """A bucket's answer: may this request pass, and how many tokens are left."""

    is_allowed: bool
    tokens: float

    @property
    def retry_after(self) -> float:
        """Seconds until the next request would pass; 0 when it would pass now."""
        return max(0.0, (1 - self.tokens) / PER_SECOND)

    def headers(self) -> dict[str, str]:
        """draft-ietf-httpapi-ratelimit-headers: three fields of version 03 and two of version 10."""
        left, reset = int(self.tokens), math.ceil((BURST - self.tokens) / PER_SECOND)
        headers = {
            "ratelimit-limit": f"{BURST:.0f}",
            "ratelimit-remaining": str(left),
            "ratelimit-reset": str(reset),
            "ratelimit-policy": f'"default";q={BURST:.0f};w={BURST / PER_SECOND:.0f}',
            "ratelimit": f'"default";r={left};t={reset}',
        }
        return headers if self.is_allowed else headers | {"retry-after": str(max(1, math.ceil(self.retry_after)))}


class RateLimiter:
    """50 requests a second and 100 at once for each key. Of more than 10,000 keys the least recently used goes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_keys: int = MAX_KEYS) -> None:
        self._clock, self._max_keys = clock, max_keys
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take_token(self, key: Hashable) -> Allowance:
        """Takes one token from the key's bucket. An empty bucket refuses, and loses nothing."""
        now = self._clock()
        tokens, at = self._buckets.pop(key, (BURST, now))
        tokens = min(BURST, tokens + (now - at) * PER_SECOND)
        is_allowed = tokens >= 1
        left = tokens - 1 if is_allowed else tokens
        self._buckets[key] = (left, now)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return Allowance(is_allowed, left)
