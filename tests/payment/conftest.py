"""A whole mesh per module, and people who act on it."""

from __future__ import annotations

from tests.inhabited import every_invariant_holds_at_the_end, no_replica, people, world, world_settings

__all__ = ["every_invariant_holds_at_the_end", "no_replica", "people", "world", "world_settings"]
