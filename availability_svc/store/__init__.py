"""All the SQL of this service. A store wraps a connection, has a verb per statement and returns domain objects.

Transactions are READ COMMITTED: a statement sees what was committed before it began. A transaction that writes claims
therefore locks the calendars in one statement, and reads what it decides by in a later one.
"""

from __future__ import annotations

from availability_svc.domain import SlotTaken
from availability_svc.store.blocks import BlockStore
from availability_svc.store.calendars import CHANGED, STAMPED, Calendars
from availability_svc.store.holds import HoldStore, Situation
from availability_svc.store.schedules import ScheduleStore

__all__ = ["CHANGED", "STAMPED", "VIOLATIONS", "BlockStore", "Calendars", "HoldStore", "ScheduleStore", "Situation"]

VIOLATIONS = {"claim_no_overlap": SlotTaken}
