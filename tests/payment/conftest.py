"""A whole mesh per module, and people who act on it."""

from __future__ import annotations

from tests.inhabited import no_replica, people, short_pauses, world, world_settings

__all__ = ["no_replica", "people", "short_pauses", "world", "world_settings"]
