"""What must not be in production: the sandbox's keys, and the identity of a developer's mesh.

Production is where TUTORMESH_ENV says so, and wherever a live key of Stripe's is. A developer's machine with a test
account at Stripe is not. Only the standard library is imported here: the developer's kit asks too, and has to start fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

SANDBOX_KEYS = {"STRIPE_SECRET_KEY": "sk_test_sandbox", "STRIPE_PUBLISHABLE_KEY": "pk_test_sandbox"}
#: The issuer of the tokens that `devkit` signs.
DEVELOPMENT_ISSUER = "tutormesh-dev"


def reason(settings: Mapping[str, str]) -> str | None:
    """Why this is production: "NAME is …". None for a developer's machine. A name that we do not know is production."""
    environment = settings.get("TUTORMESH_ENV") or "development"
    if environment != "development":
        return f"TUTORMESH_ENV is {environment}"
    live = (name for name in SANDBOX_KEYS if "_live_" in settings.get(name, ""))
    return next((f"{name} is a live key" for name in live), None)


def find_fault(settings: Mapping[str, str]) -> str | None:
    """The first setting that production must not have, as "NAME: what is wrong". The values are not in it."""
    why = reason(settings)
    if why is None:
        return None
    for name, key in SANDBOX_KEYS.items():
        if settings.get(name) == key:
            return f"{name}: is the sandbox's key, and {why}"
    if settings.get("AUTH_ISSUER") == DEVELOPMENT_ISSUER:
        return f"AUTH_ISSUER: is the issuer of a developer's mesh, and {why}"
    if urlsplit(settings.get("AUTH_JWKS_URL", "")).scheme == "file":
        return f"AUTH_JWKS_URL: is a file, whose keys anybody on the machine may have made, and {why}"
    if settings.get("DEMO_TOKENS_FILE"):
        return f"DEMO_TOKENS_FILE: lets anybody be a demo person, and {why}"
    if urlsplit(settings.get("STRIPE_API_BASE", "")).scheme == "http":
        return f"STRIPE_API_BASE: is not https, as Stripe is, and {why}"
    return None
