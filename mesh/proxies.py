"""Which addresses never use a proxy of the environment (http_proxy and its siblings): this machine's own.

gRPC, httpx, urllib and our client for Stripe each read the environment. A proxy is right for Stripe and for a webhook on the
internet; it cannot reach 127.0.0.1 here. The rule is written where all of them, and child processes, read it.
Only the standard library is imported: the developer's kit asks too, and has to start fast.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping

LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: The variables that name a proxy, by which libraries go; each also in upper case.
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")


def bypass(*hosts: str, environ: MutableMapping[str, str] | None = None) -> None:
    """Add this machine's own addresses, and these hosts, to `no_proxy` in both spellings. What is there stays."""
    where: MutableMapping[str, str] = os.environ if environ is None else environ
    own = (*LOOPBACK, *hosts)
    given = [part.strip() for name in ("no_proxy", "NO_PROXY") for part in where.get(name, "").split(",")]
    if "*" in given:  # no proxy at all; urllib knows the star only when it stands alone
        where["no_proxy"] = where["NO_PROXY"] = "*"
        return
    where["no_proxy"] = where["NO_PROXY"] = ",".join(dict.fromkeys(part for part in (*given, *own) if part))
    if "no_grpc_proxy" in where:  # gRPC reads this one instead, when it is there
        where["no_grpc_proxy"] = ",".join((where["no_grpc_proxy"], *own))


def configured(environ: Mapping[str, str]) -> list[str]:
    """The names of the variables that name a proxy. Their values can hold a password."""
    return [name for name in environ if name.lower() in _PROXIES and environ[name]]
