"""The settings that this process reads from its environment."""

from __future__ import annotations

from datetime import timedelta

from pydantic import AliasChoices, Field

from availability_svc.limits import Limits, Terms
from mesh.settings import DatabaseSettings, DatabaseUrl

MINUTES_A_YEAR = 525_600


class Settings(DatabaseSettings):
    """Settings of availability_svc; the names are the environment's, in upper case."""

    port: int = Field(default=50053, ge=0, le=65535)
    database_url: DatabaseUrl = Field(validation_alias=AliasChoices("AVAILABILITY_DATABASE_URL", "DATABASE_URL"))
    hold_minutes: float = Field(default=30.0, gt=0, le=MINUTES_A_YEAR)
    hold_grace_seconds: float = Field(default=20.0, ge=0, le=86_400)
    hold_cleanup_seconds: float = Field(default=300.0, ge=1, le=86_400)
    max_unpaid_holds: int = Field(default=3, ge=1)
    max_unpaid_minutes: int = Field(default=480, ge=1)
    max_unpaid_minutes_per_tutor: int = Field(default=240, ge=1)
    max_unpaid_minutes_of_tutor: int = Field(default=2400, ge=1)
    max_lapsed_holds: int = Field(default=5, ge=1)
    lapsed_holds_pause_minutes: float = Field(default=15.0, ge=0, le=1440)
    max_blocks: int = Field(default=1000, ge=1)

    @property
    def terms(self) -> Terms:
        limits = Limits(
            holds=self.max_unpaid_holds,
            minutes=self.max_unpaid_minutes,
            minutes_with_one_tutor=self.max_unpaid_minutes_per_tutor,
            minutes_of_a_tutor=self.max_unpaid_minutes_of_tutor,
            lapses=self.max_lapsed_holds,
            pause=timedelta(minutes=self.lapsed_holds_pause_minutes),
            blocks=self.max_blocks,
        )
        return Terms(timedelta(minutes=self.hold_minutes), timedelta(seconds=self.hold_grace_seconds), limits)
