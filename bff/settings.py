"""What the edge is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from mesh.settings import Address, ServiceSettings


def _publishable(value: str) -> str:
    """It goes to every student: a secret key put here by mistake must not."""
    if not value.startswith("pk_"):
        raise ValueError("must be a publishable key, which starts with pk_")
    return value


class Settings(ServiceSettings):
    """The edge's settings: who its peers are, and the token that says who it is to them."""

    service_token_file: Path
    availability_address: Address
    booking_address: Address
    payment_address: Address
    session_address: Address
    #: Stripe's key for the apps, told with a booking to pay for; None: the apps know it by themselves.
    stripe_publishable_key: Annotated[str, AfterValidator(_publishable)] | None = None
    #: Seconds that requests under way get to finish after SIGTERM.
    drain_seconds: float = Field(default=4.0, ge=0, le=60)
