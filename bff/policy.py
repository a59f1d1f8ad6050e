"""What whoever runs the edge decides: set once, at the start."""

from __future__ import annotations

from dataclasses import dataclass, field

from bff.persisted_operations import Persisted


@dataclass(frozen=True, slots=True)
class Policy:
    """The defaults are what `make up` runs with."""

    #: Stripe's key for the apps, told with a booking to pay for.
    publishable_key: str | None = None
    #: May clients ask for the schema?
    introspection: bool = True
    #: The operations known by their hash, and whether others are taken too.
    persisted: Persisted = field(default_factory=Persisted)
    #: Web pages of these origins may call ("https://app.example.org"); "*" is all of them.
    cors_origins: tuple[str, ...] = ()
    #: How long browsers shall remember to come by https: only; 0 says nothing of it.
    hsts_seconds: int = 0


DEFAULT = Policy()
