"""The URL of a database, as libpq writes it: one form for the pool, for LISTEN and for migrations.

    postgresql+asyncpg://user:password@host:5432,other:5432/name?sslmode=verify-full&sslrootcert=/etc/ca.crt

Source of the form: PostgreSQL manual, 34.1.1.2 (connection URIs). What the URL leaves out comes from libpq's variables:
PGPASSWORD, PGPASSFILE, PGSSLMODE, PGSSLROOTCERT.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

DRIVER = "postgresql+asyncpg"
#: What an operator may write where no service reads it.
SCHEMES = ("postgresql", "postgres", DRIVER)
FILES = ("passfile", "sslrootcert", "sslcert", "sslkey", "sslcrl")
#: A service writes, so that a standby is never wanted.
CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "primary", "read-write"),
    "sslnegotiation": ("postgres", "direct"),
}
KEYS = frozenset(
    {*("host", "port", "user", "password", "sslpassword"), *FILES, *CHOICES}
    | {"ssl_min_protocol_version", "ssl_max_protocol_version"}
)
_HOST = re.compile(r"(?P<host>\[[^\[\]]+\]|[^:\[\]]*)(?::(?P<port>\d{1,5}))?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ENCODED = "its user and password must be percent-encoded: @ is %40, / is %2F, # is %23, ? is %3F, % is %25"
Host = tuple[str, int | None]


def check(url: str, schemes: Sequence[str] = (DRIVER,)) -> str:
    """The URL, which can be used. Raises ValueError with one line that shows no password."""
    if not url.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        raise ValueError(f"must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    parts = _split(url)
    query = read_query(parts)
    if unknown := sorted(query.keys() - KEYS):
        known = ", ".join(sorted(KEYS))
        hint = "; TLS is asked for by sslmode" if unknown[0] == "ssl" else ""
        raise ValueError(f"{unknown[0]!r:.60} is no parameter of it{hint} (there are {known})")
    for key, choices in CHOICES.items():
        if query.get(key, choices[0]) not in choices:
            raise ValueError(f"{key} must be one of {', '.join(choices)}")
    for key in FILES:
        if key in query and not os.access(query[key], os.R_OK):
            raise ValueError(f"{key}: {query[key]} cannot be read")
    if query.get("sslmode", "").startswith("verify") and not _has_root_certificate(query):
        raise ValueError(f"sslmode={query['sslmode']} needs sslrootcert, the file of the CA's certificates")
    list_hosts(url)
    return url


def driver_url(url: str) -> str:
    """The URL for asyncpg itself."""
    return "postgresql" + url[url.index("://") :]


def list_hosts(url: str) -> list[Host]:
    """The servers that the URL names, in its order. A host that begins with / is a socket's folder; None is no port."""
    parts = _split(url)
    query = read_query(parts)
    written = parts.netloc.rpartition("@")[2]
    ports = [int(port) if port.isdigit() else 0 for port in query.get("port", "").split(",") if port]
    found = [_read_host(one, quoted=bool(written)) for one in (written or query.get("host", "")).split(",") if one]
    if ports and len(ports) not in (1, len(found)):
        raise ValueError("it has another number of ports than of hosts")
    if ports:
        found = [(host, port or ports[at % len(ports)]) for at, (host, port) in enumerate(found)]
    if any(port is not None and not 0 < port < 65536 for _, port in found):
        raise ValueError("a port must be a number from 1 to 65535")
    return found


def read_query(parts: SplitResult) -> dict[str, str]:
    """The parameters after the question mark."""
    try:
        return dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise ValueError("its parameters after the ? must be name=value&name=value") from None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError:  # its words hold the password
        raise ValueError(_ENCODED) from None
    is_cut_short = "@" not in parts.netloc and "@" in url
    if "#" in url or parts.netloc.count("@") > 1 or is_cut_short or _BAD_ESCAPE.search(url):
        raise ValueError(_ENCODED)
    return parts


def _read_host(written: str, *, quoted: bool) -> Host:
    if not quoted and written.startswith("/"):
        return written, None
    found = _HOST.fullmatch(written)
    if found is None:
        raise ValueError("its hosts must be host:port, separated by commas")
    host = found["host"].strip("[]")
    return unquote(host) if quoted else host, int(found["port"]) if found["port"] else None


def _has_root_certificate(query: dict[str, str]) -> bool:
    usual = Path("~/.postgresql/root.crt").expanduser()
    return "sslrootcert" in query or bool(os.environ.get("PGSSLROOTCERT")) or usual.is_file()
