"""All the SQL of this service. A store wraps a connection, has a verb per statement and returns domain objects.

Transactions are READ COMMITTED: a statement sees what was committed before it began. So a transaction that writes claims
locks the calendars in one statement, and reads what it decides by in a later one. Or it reads first, without locks, and
then writes only if the calendars have the versions that it has read.
"""

from __future__ import annotations

from availability_svc.domain import SlotTaken
from availability_svc.store.blocks import BlockStore
from availability_svc.store.calendars import CHANGED, STAMPED, Calendars
from availability_svc.store.holds import HoldStore, Situation, Versions
from availability_svc.store.schedules import ScheduleStore

__all__ = [
    "CHANGED",
    "STAMPED",
    "VIOLATIONS",
    "BlockStore",
    "Calendars",
    "HoldStore",
    "ScheduleStore",
    "Situation",
    "Versions",
]

VIOLATIONS = {"claim_no_overlap": SlotTaken}
