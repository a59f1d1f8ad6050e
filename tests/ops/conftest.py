"""A whole mesh, and the operator's command run against it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
import structlog
from click.testing import CliRunner, Result

from mesh import logs
from ops.__main__ import main
from ops.audit import command
from ops.peers import SERVICES, Peers, open_peers
from tests.inhabited import people, short_pauses, world, world_settings  # noqa: F401 - fixtures
from tests.world import World


@dataclass(frozen=True)
class Tutormesh:
    """The command `tutormesh`, with the environment of an operator."""

    env: dict[str, str]

    async def __call__(self, *words: str, say: str = "") -> Result:
        """Run `tutormesh words…` in a thread, so that the mesh in this process can answer. `say` is its standard input."""
        return await asyncio.to_thread(CliRunner().invoke, main, words, input=say, env=self.env)


@pytest.fixture(scope="module", autouse=True)
def logs_in_a_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Send the mesh's logs to a file: it runs in this process, and they would mix with the command's output."""
    with (tmp_path_factory.mktemp("logs") / "mesh.log").open("w") as file:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(file))
        yield
        logs.configure("test", "console")


@pytest.fixture(scope="module", autouse=True)
def quick_audits() -> Iterator[None]:
    """The command looks as often as for an operator, at a mesh in which nothing is in flight."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(command, "PAUSES", tuple(pause / 20 for pause in command.PAUSES))
        yield


@pytest.fixture(scope="module")
def addresses(world: World) -> dict[str, str]:  # noqa: F811
    return {name: f"127.0.0.1:{world.ports[name]}" for name in SERVICES}


@pytest.fixture(scope="module")
def tutormesh(world: World, addresses: dict[str, str]) -> Tutormesh:  # noqa: F811
    env = {f"{name.upper()}_ADDRESS": address for name, address in addresses.items()}
    return Tutormesh({**env, "OPS_TOKEN": world.token("service", service="ops")})


@pytest_asyncio.fixture(loop_scope="session")
async def peers(world: World, addresses: dict[str, str]) -> AsyncIterator[Peers]:  # noqa: F811
    async with open_peers(addresses, world.credentials("ops")) as found:
        yield found
