"""One mesh for all modules of this folder."""

from __future__ import annotations

from tests.inhabited import people, world, world_settings

__all__ = ["people", "world", "world_settings"]
