"""What every test stands on: one real PostgreSQL per run, real keys, pytest-grpc's fixtures over real aio servers."""

from __future__ import annotations

import asyncio
import os

os.environ.setdefault(
    "GRPC_ENABLE_FORK_SUPPORT", "false"
)  # tests start processes; gRPC must not meddle with their forks

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from devkit.keys import Signer, signer
from devkit.layout import STORED, database_name
from devkit.postgres import Postgres
from mesh import logs
from mesh.channels import connect
from mesh.identity import KeySet, Verifier
from mesh.server import Server, Service
from mesh.settings import ServiceSettings
from tests import prepared
from tests.running import pytest_collection_modifyitems, pytest_runtest_protocol, pytest_xdist_make_scheduler

__all__ = ["pytest_collection_modifyitems", "pytest_runtest_protocol", "pytest_xdist_make_scheduler"]

CreateChannel = Callable[..., grpc.aio.Channel]
MakeDatabase = Callable[[str], Awaitable[str]]
ISSUER, AUDIENCE = "tutormesh-test", "tutormesh"


@dataclass(frozen=True)
class FixedToken:
    """Credentials that say who they are told to be."""

    service: str
    token: str
    person_token: str | None = None

    def metadata(self) -> tuple[tuple[str, str], ...]:
        own = (("x-service-token", self.token),) if self.service else ()
        return (*own, ("authorization", f"Bearer {self.person_token}")) if self.person_token else own


@pytest.fixture(autouse=True)
def environment_as_it_was() -> Iterator[None]:
    """A command run in threads (click's CliRunner) can leave its environment behind; the next test must not see it."""
    before = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    yield
    for name in [name for name in os.environ if not name.startswith("PYTEST_")]:
        if name not in before:
            del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope="session", autouse=True)
def quiet_logs() -> None:
    logs.configure("test", "console")


@pytest.fixture(scope="session", autouse=True)
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    base = tmp_path_factory.getbasetemp()
    prepared.prepare(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)
    server = Postgres(tmp_path_factory.mktemp("pg") / "postgres", durable=False)
    prepared.copy_to(server.folder)
    with server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def make_database(postgres: Postgres) -> MakeDatabase:
    """A fresh, migrated database for a service's package: its URL. Copied from the one that was migrated for all."""
    templates = {program.module: database_name(program) for program in STORED}

    async def make(package: str) -> str:
        name = f"{package}_{uuid.uuid4().hex[:12]}"
        return await postgres.create_database(name, template=templates[package])

    return make


@pytest.fixture(scope="session")
def keys_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="session")
def token_signer(keys_folder: Path) -> Signer:
    return signer(keys_folder, ISSUER, AUDIENCE)


@pytest.fixture(scope="session")
def token(token_signer: Signer) -> Callable[..., str]:
    """`token(role, subject=None, service=None)`: a signed JWT."""

    def make(role: str, subject: object = None, service: str | None = None) -> str:
        return token_signer.token(role, subject=str(subject) if subject else None, service=service)

    return make


@pytest.fixture(scope="session")
def auth_settings(keys_folder: Path, token_signer: Signer) -> dict[str, Any]:
    """What every process is told about identity."""
    return {
        "auth_issuer": ISSUER,
        "auth_audience": AUDIENCE,
        "auth_jwks_url": f"file://{keys_folder}/jwks.json",
    }


@pytest.fixture(scope="session")
def verifier(auth_settings: dict[str, Any]) -> Verifier:
    return Verifier(KeySet(auth_settings["auth_jwks_url"]), ISSUER, AUDIENCE)


# pytest-grpc's fixture names; its own server fixtures are synchronous.


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def grpc_server(
    grpc_servicer: object,
    grpc_add_to_server: Callable[[Any, grpc.aio.Server], None],
    grpc_descriptor: Any,
    auth_settings: dict[str, Any],
    verifier: Verifier,
) -> AsyncIterator[Server]:
    settings = ServiceSettings(_env_file=None, port=0, drain_seconds=1, **auth_settings)
    server = Server(settings, verifier, [Service(grpc_descriptor, grpc_add_to_server, grpc_servicer)])
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="module")
def grpc_addr(grpc_server: Server) -> str:
    return f"127.0.0.1:{grpc_server.port}"


@pytest.fixture(scope="module")
def grpc_caller() -> str:
    """The service that calls; override it in a module."""
    return "payment"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def grpc_create_channel(
    grpc_addr: str, token: Callable[..., str]
) -> AsyncIterator[Callable[..., grpc.aio.Channel]]:
    """`grpc_create_channel(service="payment", person_token=None)`: a channel as that caller, closed at the end."""
    channels: list[grpc.aio.Channel] = []
    loop = asyncio.get_running_loop()

    def create(service: str = "payment", person_token: str | None = None) -> grpc.aio.Channel:
        # A synchronous fixture may ask, after a test that used asyncio.run, which leaves no current loop behind.
        asyncio.set_event_loop(loop)
        own = token("service", service=service) if service else ""
        channels.append(connect(grpc_addr, FixedToken(service, own, person_token)))
        return channels[-1]

    yield create
    for channel in channels:
        await channel.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def grpc_channel(grpc_create_channel: Callable[..., grpc.aio.Channel], grpc_caller: str) -> grpc.aio.Channel:
    return grpc_create_channel(grpc_caller)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def grpc_stub(grpc_stub_cls: Callable[[grpc.aio.Channel], Any], grpc_channel: grpc.aio.Channel) -> Any:
    return grpc_stub_cls(grpc_channel)
