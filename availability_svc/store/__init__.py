"""All the SQL of this service. A store is a connection with verbs; it returns domain objects.

READ COMMITTED throughout: each statement sees what was committed when it began, so whatever must be true when we write
is read in a statement after the one that locks the calendars.
"""

from __future__ import annotations

from availability_svc.domain import SlotTaken
from availability_svc.store.blocks import BlockStore
from availability_svc.store.calendars import Calendars
from availability_svc.store.holds import HoldStanding, HoldStore
from availability_svc.store.schedules import ScheduleStore

__all__ = ["VIOLATIONS", "BlockStore", "Calendars", "HoldStanding", "HoldStore", "ScheduleStore"]

VIOLATIONS = {"claim_no_overlap": SlotTaken}
