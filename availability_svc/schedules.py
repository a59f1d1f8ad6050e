"""Schedules: the working hours and the terms that a tutor publishes."""

from __future__ import annotations

from availability_svc.domain import Schedule
from availability_svc.store import ScheduleStore
from mesh.database import Database


class Schedules:
    """The use cases of schedules. A new schedule does not change existing holds, lessons or blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, schedule: Schedule) -> None:
        """Replace the tutor's schedule. The schedule published last is in force."""
        await self._database.statement(lambda connection: ScheduleStore(connection).publish(schedule))
