"""The people and the courses of the demo data, and tokens of the people for the explorer at /graphql.

The launcher imports this, so it needs no gRPC.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from devkit.keys import replace_file
from devkit.layout import Layout, check_development

STUDENTS = {
    "Sam": "00000000-0000-4000-8000-0000000000a1",
    "Mina": "00000000-0000-4000-8000-0000000000a2",
}


@dataclass(frozen=True, slots=True)
class Tutor:
    """A tutor of the demo data. `rate` is in minor units per hour; `notice` and `buffer` are in minutes."""

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


@dataclass(frozen=True, slots=True)
class Course:
    """A course of the demo data. `price` is in minor units; `seats` 0 means that there is no limit."""

    id: str
    title: str
    instructor: Tutor
    price: int
    seats: int = 0


COURSES = (
    Course("00000000-0000-4000-8000-0000000000c1", "Calculus from the beginning", TUTORS[0], 12000),
    Course("00000000-0000-4000-8000-0000000000c2", "Japanese conversation, a small group", TUTORS[2], 9000, seats=4),
)


def demo_people(mesh: Layout) -> str:
    """The demo people as JSON, each with a new token that is valid for 12 hours. Raises Misconfigured in production."""
    check_development(mesh.settings)
    signer = mesh.signer()
    people = [
        {"id": person, "name": name, "role": role, "token": signer.token(role, subject=person)}
        for role, named in (("student", STUDENTS), ("tutor", {tutor.name: tutor.id for tutor in TUTORS}))
        for name, person in named.items()
    ]
    return json.dumps({"people": people})


def write_tokens(mesh: Layout) -> None:
    """Write a new token of each demo person. Raises Misconfigured in production."""
    replace_file(mesh.demo_tokens_file, demo_people(mesh))
