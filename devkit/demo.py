"""Demo data: three tutors in three zones and two students to play with. Loading it again changes nothing; no bookings.

Run as `python -m devkit.demo` by the launcher, once per data folder, against a running availability service.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from devkit import layout
from mesh.channels import connect
from mesh.identity import ServiceTokenFile
from tutormesh.availability.v1 import availability_pb2 as pb
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub
from tutormesh.common.v1.money_pb2 import Money

MONDAY_TO_FRIDAY = (
    pb.WEEKDAY_MONDAY,
    pb.WEEKDAY_TUESDAY,
    pb.WEEKDAY_WEDNESDAY,
    pb.WEEKDAY_THURSDAY,
    pb.WEEKDAY_FRIDAY,
)
STUDENTS = {
    "Sam": "00000000-0000-4000-8000-0000000000a1",
    "Mina": "00000000-0000-4000-8000-0000000000a2",
}


@dataclass(frozen=True, slots=True)
class Tutor:
    """A tutor of the demo data; `rate` in minor units per hour."""

    id: str
    name: str
    timezone: str
    start: str
    end: str
    rate: int
    currency: str
    notice: int = 0
    buffer: int = 0


TUTORS = (
    Tutor("00000000-0000-4000-8000-0000000000b1", "Nora", "America/New_York", "09:00", "17:00", 5000, "USD"),
    Tutor("00000000-0000-4000-8000-0000000000b2", "Jonas", "Europe/Berlin", "10:00", "19:00", 4500, "EUR", 120, 10),
    Tutor("00000000-0000-4000-8000-0000000000b3", "Yuki", "Asia/Tokyo", "08:00", "20:00", 6000, "JPY", 60),
)


async def load(mesh: layout.Layout) -> None:
    """Publish the demo tutors' hours, as the operator. Raises a mesh.errors.Refusal when the service refuses."""
    channel = connect(mesh.address("availability"), ServiceTokenFile(mesh.token_file("ops")))
    try:
        availability = AvailabilityServiceStub(channel)
        for tutor in TUTORS:
            await availability.PublishAvailability(_hours(tutor), timeout=10)
    finally:
        await channel.close()


def _hours(tutor: Tutor) -> pb.PublishAvailabilityRequest:
    return pb.PublishAvailabilityRequest(
        tutor_id=tutor.id,
        timezone=tutor.timezone,
        weekly=[pb.WeeklyWindow(weekday=day, start=tutor.start, end=tutor.end) for day in MONDAY_TO_FRIDAY],
        minimum_notice_minutes=tutor.notice,
        buffer_minutes=tutor.buffer,
        rate=Money(amount_minor=tutor.rate, currency=tutor.currency),
    )


if __name__ == "__main__":
    asyncio.run(load(layout.load()))
