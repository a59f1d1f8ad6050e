"""The settings that this process reads from its environment."""

from __future__ import annotations

from datetime import timedelta

from pydantic import AliasChoices, Field

from learning_svc.domain import Limits, Terms
from mesh.settings import DatabaseUrl, ListeningSettings

MINUTES_A_YEAR = 525_600


class Settings(ListeningSettings):
    """Settings of learning_svc; the names are the environment's, in upper case."""

    port: int = Field(default=50055, ge=0, le=65535)
    database_url: DatabaseUrl = Field(validation_alias=AliasChoices("LEARNING_DATABASE_URL", "DATABASE_URL"))
    database_direct_url: DatabaseUrl | None = Field(
        default=None,
        validate_default=True,
        validation_alias=AliasChoices("LEARNING_DATABASE_DIRECT_URL", "DATABASE_DIRECT_URL"),
    )
    hold_minutes: float = Field(default=30.0, gt=0, le=MINUTES_A_YEAR)
    hold_grace_seconds: float = Field(default=20.0, ge=0, le=86_400)
    max_unpaid_enrollments: int = Field(default=3, ge=1)
    max_lapsed_holds: int = Field(default=5, ge=1)
    lapsed_holds_pause_minutes: float = Field(default=15.0, ge=0, le=1440)
    max_courses: int = Field(default=1000, ge=1)

    @property
    def terms(self) -> Terms:
        pause = timedelta(minutes=self.lapsed_holds_pause_minutes)
        limits = Limits(self.max_unpaid_enrollments, self.max_lapsed_holds, pause, self.max_courses)
        return Terms(timedelta(minutes=self.hold_minutes), timedelta(seconds=self.hold_grace_seconds), limits)
