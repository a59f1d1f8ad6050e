"""What the edge is told."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from mesh.settings import Address, ServiceSettings


class Settings(ServiceSettings):
    """The edge's settings: who its peers are, and the token that says who it is to them."""

    service_token_file: Path
    availability_address: Address
    booking_address: Address
    payment_address: Address
    session_address: Address
    #: Seconds that requests under way get to finish after SIGTERM.
    drain_seconds: float = Field(default=4.0, ge=0, le=60)
