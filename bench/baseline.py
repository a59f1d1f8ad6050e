"""The baseline for a lesson's calls and commits: bare echoes, and one-row commits on the same PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import psutil

from bench.echo import METHOD
from bench.mesh import ROOT, Mesh
from mesh.certificates import Certificates, files_in
from mesh.clock import now, to_proto
from tutormesh.booking.v1 import booking_pb2
from tutormesh.common.v1 import money_pb2

POOL = 10  # connections, as many as a service's pool has


@dataclass(frozen=True)
class Baseline:
    """The operations of the baseline. `server` is the process that answers the echoes."""

    server: psutil.Process
    _call: Any
    _certified_call: Any
    _pool: asyncpg.Pool

    async def echo(self) -> None:
        await self._call(_booking(), timeout=10)

    async def certified_echo(self) -> None:
        await self._certified_call(_booking(), timeout=10)

    async def commit(self) -> None:
        await self._pool.execute("insert into written (id, at) values ($1, clock_timestamp())", uuid.uuid4())


def _booking() -> booking_pb2.Booking:
    """A message of about the size that the services send."""
    one, two, three = (str(uuid.uuid4()) for _ in range(3))
    price = money_pb2.Money(amount_minor=5000, currency="USD")
    return booking_pb2.Booking(id=one, tutor_id=two, student_id=three, price=price, start_time=to_proto(now()))


@contextlib.asynccontextmanager
async def open_baseline(mesh: Mesh) -> AsyncIterator[Baseline]:
    folder = mesh.log.parent / "echo"
    mesh.layout.issue_certificate("bff", folder)
    credentials, options = Certificates(files_in(folder)).current().for_clients(), [("grpc.enable_http_proxy", 0)]
    async with (
        _echo_server(folder) as (process, plain, certified),
        _pool(mesh.server_url) as pool,
        grpc.aio.insecure_channel(f"127.0.0.1:{plain}", options=options) as channel,
        grpc.aio.secure_channel(f"127.0.0.1:{certified}", credentials, options=options) as certified_channel,
    ):
        yield Baseline(process, _echo_of(channel), _echo_of(certified_channel), pool)


def _echo_of(channel: grpc.aio.Channel) -> Any:
    return channel.unary_unary(
        METHOD,
        request_serializer=booking_pb2.Booking.SerializeToString,
        response_deserializer=booking_pb2.Booking.FromString,
    )


@contextlib.asynccontextmanager
async def _echo_server(folder: Path) -> AsyncIterator[tuple[psutil.Process, int, int]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.echo", str(folder), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        plain, certified = map(int, (await process.stdout.readline()).split())
        yield psutil.Process(process.pid), plain, certified
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def _pool(server_url: str) -> AsyncIterator[asyncpg.Pool]:
    connection = await asyncpg.connect(server_url)
    await connection.execute("create database bench")
    await connection.close()
    async with asyncpg.create_pool(
        server_url.replace("/postgres?", "/bench?", 1), min_size=POOL, max_size=POOL
    ) as pool:
        await pool.execute("create table written (id uuid primary key, at timestamptz not null)")
        yield pool
