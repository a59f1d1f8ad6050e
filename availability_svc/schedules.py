"""What a tutor publishes."""

from __future__ import annotations

from availability_svc.domain import Schedule
from availability_svc.store import ScheduleStore
from mesh.database import Database


class Schedules:
    """Working hours, notice, buffer and rate. Claims already made stand as they were made."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, schedule: Schedule) -> None:
        """Replace the tutor's schedule; the last one published is in force."""
        await self._database.statement(lambda connection: ScheduleStore(connection).publish(schedule))
