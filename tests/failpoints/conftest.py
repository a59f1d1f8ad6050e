"""A whole mesh per module, in which nobody drives but the cases' own replicas, and people who act on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mesh import loops
from payment_svc.providers import stripe as stripe_gateway
from tests.failpoints.actors import Outside, outside
from tests.inhabited import people, world, world_settings
from tests.world import World

__all__ = ["people", "world", "world_settings"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(world: World) -> AsyncIterator[Outside]:
    """No replica but the cases' own; their connections to the outside."""
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    with pytest.MonkeyPatch.context() as patched:
        # Stripe and PostgreSQL have one clock here: no case needs to look through the intents of hundreds before it.
        patched.setattr(stripe_gateway, "CLOCK_SLACK_SECONDS", 1)
        # A case looks at everything it has while it waits; what backs off is tried again soon.
        patched.setattr(loops, "FIRST_SECONDS", loops.FIRST_SECONDS / 20)
        async with outside(world) as connections:
            yield connections
