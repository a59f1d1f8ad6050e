"""Pages of other origins to which the page to pay on may lead: the apps that RETURN_ORIGINS lists, and no others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from mesh.errors import BadInput
from payment_svc.domain import ReturnPages

MOST_CHARACTERS = 2000
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS = {"http": 80, "https": 443}
#: Browsers read a backslash as a slash, and drop what is not printable.
_PRINTABLE = re.compile(r"[!-\[\]-~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class ReturnOrigins:
    """The origins that an order may name ("https://app.example.org")."""

    origins: frozenset[str] = frozenset()
    is_production: bool = False

    def check(self, pages: ReturnPages) -> None:
        """Raises BadInput that names `return_url` or `cancel_url`."""
        for url, field in ((pages.return_url, "return_url"), (pages.cancel_url, "cancel_url")):
            if url:
                self._check(url, field)

    def _check(self, url: str, field: str) -> None:
        if len(url) > MOST_CHARACTERS:
            raise BadInput(f"must have at most {MOST_CHARACTERS} characters", field=field)
        origin = read_origin(url)
        is_open = origin is not None and origin.startswith("http:")
        if origin is None or (is_open and (self.is_production or urlsplit(url).hostname not in LOOPBACK)):
            raise BadInput("must be an https URL without a user", field=field)
        if origin not in self.origins:
            raise BadInput("its origin is not in RETURN_ORIGINS", field=field)


def read_origin(url: str) -> str | None:
    """The origin of a whole http or https URL that names no user, in lower case; None for any other text."""
    if not _PRINTABLE.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return None
    if scheme not in _PORTS or not host or port == 0 or "@" in parts.netloc or not re.fullmatch(r"[\w.:-]+", host):
        return None
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" if port in (None, _PORTS[scheme]) else f"{scheme}://{host}:{port}"
