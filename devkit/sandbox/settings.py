"""The sandbox's settings, from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

ALL_EVENTS = frozenset({"*"})


class InvalidSetting(Exception):
    """A setting is missing or malformed; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The sandbox's addresses and folders.

    Without a `webhook_url` it delivers no events; without an `smtp_port` it receives no mail. `webhook_events` are the types
    that are delivered, "*" is all.
    """

    data: str
    host: str = "127.0.0.1"
    port: int = 12111
    webhook_url: str = ""
    webhook_secret: str = field(default="", repr=False)
    webhook_events: frozenset[str] = ALL_EVENTS
    smtp_port: int | None = None


def load(environment: Mapping[str, str]) -> Settings:
    """Read SANDBOX_HOST, SANDBOX_PORT, SANDBOX_DATA, SANDBOX_WEBHOOK_URL, SANDBOX_WEBHOOK_EVENTS, SANDBOX_SMTP_PORT and
    STRIPE_WEBHOOK_SECRET.

    Raises InvalidSetting.
    """
    kind = environment.get("TUTORMESH_ENV") or "development"
    if kind != "development":
        raise InvalidSetting(f"TUTORMESH_ENV is {kind}, and the sandbox is for a developer's machine")
    url, secret = environment.get("SANDBOX_WEBHOOK_URL", ""), environment.get("STRIPE_WEBHOOK_SECRET", "")
    smtp_port = environment.get("SANDBOX_SMTP_PORT")
    if url and not secret:
        raise InvalidSetting("STRIPE_WEBHOOK_SECRET is missing: webhooks cannot be signed without it")
    return Settings(
        data=environment.get("SANDBOX_DATA") or ".data/sandbox",
        host=environment.get("SANDBOX_HOST") or "127.0.0.1",
        port=_port("SANDBOX_PORT", environment.get("SANDBOX_PORT") or "12111"),
        webhook_url=_http_url(url),
        webhook_secret=secret,
        webhook_events=frozenset(environment.get("SANDBOX_WEBHOOK_EVENTS", "").replace(",", " ").split()) or ALL_EVENTS,
        smtp_port=_port("SANDBOX_SMTP_PORT", smtp_port) if smtp_port else None,
    )


def _port(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise InvalidSetting(f"{name} is not a port number: {text}")
    return int(text)


def _http_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        valid = not text or (parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0)
    except ValueError:
        valid = False
    if not valid:
        raise InvalidSetting("SANDBOX_WEBHOOK_URL is not an http URL")
    return text
