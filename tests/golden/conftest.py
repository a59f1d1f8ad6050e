"""A whole mesh, and the option that records golden sagas."""

from __future__ import annotations

from tests.payment.conftest import people, world, world_settings  # noqa: F401 - fixtures
