"""The HTTP client for other people's servers: receivers of webhooks, and providers that are asked for sessions."""

from __future__ import annotations

import ssl
from functools import cache
from http.cookiejar import DefaultCookiePolicy

import httpx

CONNECTIONS = 16
KEEP_ALIVE_SECONDS = 30


def open_client(timeout: float) -> httpx.AsyncClient:
    """A client with few connections. It follows no redirect, which would carry what is sent to another place."""
    limits = httpx.Limits(
        max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=KEEP_ALIVE_SECONDS
    )
    client = httpx.AsyncClient(timeout=timeout, limits=limits, follow_redirects=False, verify=_authorities())
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # cookies only pile up
    return client


@cache
def _authorities() -> ssl.SSLContext:
    """Those that vouch for servers. Reading them takes longer than all else of a client, so all clients share them."""
    return httpx.create_ssl_context()
