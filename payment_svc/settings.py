"""payment_svc's settings."""

from __future__ import annotations

import re

from pydantic import AliasChoices, Field, field_validator

from mesh.settings import Address, DatabaseUrl, ServiceSettings


class Settings(ServiceSettings):
    """What payment_svc is told by its environment."""

    port: int = Field(default=50052, ge=0, le=65535)
    database_url: DatabaseUrl = Field(validation_alias=AliasChoices("PAYMENT_DATABASE_URL", "DATABASE_URL"))
    availability_address: Address = "127.0.0.1:50053"
    booking_address: Address = "127.0.0.1:50051"
    session_address: Address = "127.0.0.1:50054"
    learning_address: Address = "127.0.0.1:50055"
    stripe_secret_key: str = Field(pattern=r"^(sk|rk)_(test|live)_\w+$")
    stripe_webhook_secret: str = Field(pattern=r"^whsec_.+$")
    stripe_api_base: str | None = Field(default=None, pattern=r"^https?://[^/\s]+$")
    stripe_timeout_seconds: float = Field(default=3.0, gt=0, le=30)
    hold_minutes: float = Field(default=30, gt=0, le=1440)
    payment_max_attempts: int = Field(default=3, ge=1, le=100)
    cancellation_policy: str = "24h:100,2h:50"
    enrollment_policy: str = "336h:100"
    saga_lease_seconds: float = Field(default=4.0, gt=0, le=60)
    reconcile_seconds: float = Field(default=60.0, gt=0)

    @field_validator("cancellation_policy", "enrollment_policy")
    @classmethod
    def _policy(cls, value: str) -> str:
        if not re.fullmatch(r"(\d{1,4}h:(100|\d{1,2}))(,\d{1,4}h:(100|\d{1,2}))*", value):
            raise ValueError("must look like 24h:100,2h:50")
        return value
