"""A whole mesh, and the option that records golden sagas."""

from __future__ import annotations

from tests.inhabited import people, world, world_settings  # noqa: F401 - fixtures
