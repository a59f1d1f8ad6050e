"""Fixtures that conftests import: a whole mesh per module, in order at the end, and people who act on it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from mesh import loops
from mesh.identity import Verifier
from payment_svc import store
from payment_svc.settling import inbox
from tests.audited import Tampering, assert_clean
from tests.conftest import MakeDatabase
from tests.people import People
from tests.world import World, world_of

#: Nothing here is served by HTTPS. To read the machine's authorities takes 30 ms, which hundreds of tests would wait for.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture(scope="module")
def world_settings() -> dict[str, dict[str, Any]]:
    """What a module changes in its world: settings of `availability`, `payment` and `learning`."""
    return {}


@pytest.fixture(scope="module")
def short_pauses() -> Iterator[None]:
    """Work that fails is tried again after a twentieth of the usual time: for modules about how often, and not when."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loops, "FIRST_SECONDS", loops.FIRST_SECONDS / 20)
        patched.setattr(store, "CLAIM_LEASES", store.CLAIM_LEASES / 20)
        patched.setattr(inbox, "POLL_SECONDS", inbox.POLL_SECONDS / 20)
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    make_database: MakeDatabase,
    token: Callable[..., str],
    auth_settings: dict[str, Any],
    verifier: Verifier,
    tmp_path_factory: pytest.TempPathFactory,
    world_settings: dict[str, dict[str, Any]],
) -> AsyncIterator[World]:
    """Whatever the tests of a module do to it: at the end all of it comes to rest, and the audit of it is clean."""
    folder = tmp_path_factory.mktemp("world")
    async with world_of(make_database, token, auth_settings, verifier, folder, **world_settings) as running:
        tampering = Tampering(running)
        yield running
        if not running.replicas:
            await running.start_replica(stripe_timeout_seconds=10)  # it lists what hundreds of cases left
        await assert_clean(running, but_for=tampering.ids)


@pytest_asyncio.fixture(loop_scope="session")
async def people(world: World) -> AsyncIterator[People]:
    """People, with the sandbox in its normal mode before and after."""
    async with httpx.AsyncClient(timeout=10, verify=NO_AUTHORITIES, trust_env=False) as http:
        acting = People(world, http, {})
        yield acting
        await acting.no_faults()
        await acting.webhooks("normal")
        for channel in acting.channels.values():
            await channel.close()


@pytest_asyncio.fixture(loop_scope="session")
async def no_replica(world: World) -> AsyncIterator[None]:
    """A test that begins with nobody driving, and leaves an undisturbed replica behind."""
    for replica in list(world.replicas):
        await world.stop_replica(replica)
    yield
    for replica in list(world.replicas):
        await world.kill_replica(replica)
    await world.start_replica()
