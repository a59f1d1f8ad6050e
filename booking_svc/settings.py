"""The settings that this process reads from its environment."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from mesh.settings import DatabaseUrl, ServiceSettings


class Settings(ServiceSettings):
    """Settings of booking_svc; the names are the environment's, in upper case."""

    port: int = Field(default=50051, ge=0, le=65535)
    database_url: DatabaseUrl = Field(validation_alias=AliasChoices("BOOKING_DATABASE_URL", "DATABASE_URL"))
