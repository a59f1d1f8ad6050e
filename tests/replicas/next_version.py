"""The version after this one: copies of the services with one more migration each, and code that uses it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from devkit import databases
from devkit.environment import environment
from devkit.layout import PROGRAMS
from mesh.migrations import heads
from tests.devkit.fake_mesh import ROOT
from tests.name_server import Names
from tests.replicas.processes import Processes

#: Additive, as every migration must be: replicas of the version before run on the new schema.
MIGRATION = """
from alembic import op

revision = "9999"
down_revision = "{before}"


def upgrade():
    op.execute("alter table {table} add column next text")
"""
TABLES = {"booking": "booking", "payment": "saga", "availability": "hold", "session": "session", "learning": "course"}
#: The next version of booking_svc fills its new column.
COLUMNS = 'insert into booking (id, saga_id, status, {", ".join(_DETAIL_COLUMNS)})'
VALUES = "values (:id, :saga_id, 'PAYMENT_REQUIRED', "


class NextVersion:
    """Processes of the next version, beside those of a mesh. The folder is for their code and their logs."""

    def __init__(self, mesh: Processes, folder: Path) -> None:
        self._mesh, self._layout, self._folder = mesh, mesh.mesh.layout, folder
        self._urls = databases.urls(mesh.mesh.launcher._server_url)
        self._before = {name: next(iter(heads(f"{name}_svc"))) for name in TABLES}
        self._running: list[asyncio.subprocess.Process] = []
        for name, table in TABLES.items():
            shutil.copytree(ROOT / f"{name}_svc", folder / f"{name}_svc")
            migration = MIGRATION.format(before=self._before[name], table=table)
            (folder / f"{name}_svc" / "migrations" / "versions" / "9999_next.py").write_text(migration)
        store = folder / "booking_svc" / "store.py"
        text = store.read_text()
        assert text.count(COLUMNS) == text.count(VALUES) == 1
        text = text.replace(COLUMNS, COLUMNS.replace("status, ", "status, next, "))
        store.write_text(text.replace(VALUES, f"{VALUES}'written by the next version', "))

    def addresses(self, names: Names) -> dict[str, str]:
        """Settings that let a process call these services by their names."""
        return {f"{name.upper()}_ADDRESS": names.target(name, self._layout.port(name)) for name in TABLES}

    async def migrate(self) -> None:
        """Run `tutormesh migrate` of the next version."""
        urls = {f"{name.upper()}_DATABASE_URL": self._urls[name] for name in TABLES}
        process = await self._spawn("migrate", dict(os.environ) | urls, "ops", "migrate")
        assert await process.wait() == 0, (self._folder / "migrate.log").read_text()

    async def start(self, name: str, **settings: str) -> asyncio.subprocess.Process:
        """Start a process of a service, with these settings besides those of the mesh."""
        own = environment(self._layout, name, self._urls.get(name)) | {"METRICS_PORT": "0", "REUSE_PORT": "false"}
        process = await self._spawn(name, own | settings, PROGRAMS[name].module)
        self._running.append(process)
        return process

    async def start_serving(self, name: str, host: str, **settings: str) -> None:
        """Start a process of a gRPC service at this address, and wait until its health is SERVING."""
        await self.start(name, HOST=host, **settings)
        address = f"{host}:{self._layout.port(name)}"
        async with grpc.aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=20, wait_for_ready=True)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING

    async def stop(self) -> None:
        """Stop the processes of the next version, and bring the schema back."""
        for process in self._running:
            if process.returncode is None:
                process.terminate()
        await asyncio.wait_for(asyncio.gather(*(process.wait() for process in self._running)), 20)
        for name, table in TABLES.items():
            await self._mesh.sql(name, f"alter table {table} drop column if exists next")
            await self._mesh.sql(name, "update alembic_version set version_num = $1", self._before[name])

    async def _spawn(
        self, name: str, settings: dict[str, str], module: str, *arguments: str
    ) -> asyncio.subprocess.Process:
        with (self._folder / f"{name}.log").open("ab") as log:
            command = (sys.executable, "-m", module, *arguments)  # its folder comes first in sys.path
            return await asyncio.create_subprocess_exec(
                *command, env=settings, cwd=self._folder, stdout=log, stderr=log
            )


async def is_ready(mesh: Processes, edge: str = "") -> bool:
    """True when the edge says that every service is ready: that of `edge`, or the one that people use."""
    try:
        return (await mesh.http.get(f"{edge or mesh.edge}/readyz")).is_success
    except httpx.TransportError:
        return False
