"""The settings that this process reads from its environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, AliasChoices, Field

from mesh.settings import DatabaseSettings, DatabaseUrl

MAX_AFTER_MINUTES = 30 * 24 * 60


def _link_template(value: str) -> str:
    if not value.startswith(("https://", "http://")) or value.count("{room}") != 1:
        raise ValueError("must be a URL with {room} in it, such as https://meet.example.org/{room}")
    return value


LinkTemplate = Annotated[str, AfterValidator(_link_template)]


class Settings(DatabaseSettings):
    """Settings of session_svc; the names are the environment's, in upper case."""

    port: int = Field(default=50054, ge=0, le=65535)
    database_url: DatabaseUrl = Field(validation_alias=AliasChoices("SESSION_DATABASE_URL", "DATABASE_URL"))
    meeting_link_template: LinkTemplate | None = None
    #: Minutes after a lesson's end at which the worker completes it; may be a fraction.
    complete_after_minutes: float = Field(default=0, ge=0, le=MAX_AFTER_MINUTES)
