"""A whole mesh per module, and people who act on it."""

from __future__ import annotations

from tests.inhabited import people, world, world_settings

__all__ = ["people", "world", "world_settings"]
