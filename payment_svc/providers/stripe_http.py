"""How requests go to Stripe: an HTTP client for its library, over aiohttp."""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Mapping
from functools import cached_property
from urllib.parse import urlsplit

import aiohttp
import stripe

#: So long an answer may trickle.
MOST_SECONDS = 30.0


class StripeHttp(stripe.HTTPClient):
    """Makes each call once, through the environment's proxy if there is one. The library's own client follows redirects.
    This one does not: they would carry the secret key elsewhere.

    Every failure is an APIConnectionError, also that of an answer which breaks off.
    """

    name = "aiohttp"

    def __init__(self, base: str, timeout: float) -> None:
        """`base`: the URL of Stripe's API. `timeout`: the seconds that Stripe may be silent, or not connected to."""
        super().__init__()
        self._through = find_proxy(base)
        self._timeout = aiohttp.ClientTimeout(MOST_SECONDS, connect=timeout, sock_read=timeout)

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | bytes | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        try:
            async with self._session.request(
                method, url, headers=headers, data=post_data, proxy=self._through, allow_redirects=False
            ) as answer:
                return await answer.read(), answer.status, answer.headers
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise stripe.APIConnectionError(type(error).__name__, should_retry=True) from error  # type: ignore[no-untyped-call]

    async def close_async(self) -> None:
        await self._session.close()

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        """Opened by the first call, because it belongs to the loop that runs then."""
        authorities = ssl.create_default_context(cafile=stripe.ca_bundle_path)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=authorities), timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
        )


def find_proxy(url: str) -> str | None:
    """The proxy that the environment names for this URL; None where there is none, or `no_proxy` has its host.

    aiohttp would look for it at every call, in a thread.
    """
    where = urlsplit(url)
    if urllib.request.proxy_bypass(where.netloc):
        return None
    named = urllib.request.getproxies()
    return named.get(where.scheme) or named.get("all")
