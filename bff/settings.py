"""What the edge is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from bff import persisted_operations
from bff.persisted_operations import Persisted
from bff.policy import Policy
from mesh.settings import Address, ServiceSettings


def _publishable(value: str) -> str:
    """It goes to every student: a secret key put here by mistake must not."""
    if not value.startswith("pk_"):
        raise ValueError("must be a publishable key, which starts with pk_")
    return value


def _origins(value: str) -> str:
    """RFC 6454: scheme, host and port, and nothing behind them."""
    for origin in value.split(","):
        if not re.fullmatch(r"\s*(\*|https?://[^\s/?#,*]+)?\s*", origin):
            raise ValueError(f"{origin.strip()!r:.100} is not an origin such as https://app.example.org")
    return value


def _readable(value: Path) -> Path:
    persisted_operations.load(value)
    return value


class Settings(ServiceSettings):
    """The edge's settings: who its peers are, and the token that says who it is to them."""

    service_token_file: Path
    availability_address: Address
    booking_address: Address
    learning_address: Address
    payment_address: Address
    session_address: Address
    #: Stripe's key for the apps, told with a booking to pay for; None: the apps know it by themselves.
    stripe_publishable_key: Annotated[str, AfterValidator(_publishable)] | None = None
    #: Web pages of these origins may call, separated by commas; "*" is all of them, nothing is none.
    cors_origins: Annotated[str, AfterValidator(_origins)] = ""
    #: What browsers are told of https: (RFC 6797: max-age); 0 says nothing, for where there is none.
    hsts_seconds: int = Field(default=0, ge=0)
    graphql_introspection: bool = True
    #: A folder of .graphql files, or a JSON file {sha256: document}.
    persisted_operations: Annotated[Path, AfterValidator(_readable)] | None = None
    #: Take no others.
    persisted_operations_only: bool = False
    #: Seconds that requests under way get to finish after SIGTERM.
    drain_seconds: float = Field(default=4.0, ge=0, le=60)

    def policy(self) -> Policy:
        """What these settings decide."""
        documents = persisted_operations.load(self.persisted_operations) if self.persisted_operations else {}
        return Policy(
            publishable_key=self.stripe_publishable_key,
            introspection=self.graphql_introspection,
            persisted=Persisted(documents, only=self.persisted_operations_only),
            cors_origins=tuple(origin.strip() for origin in self.cors_origins.split(",") if origin.strip()),
            hsts_seconds=self.hsts_seconds,
        )
