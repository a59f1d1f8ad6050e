"""What owners that have lost their saga are made of, and a tutor's time that is blocked for a while."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import grpc

from mesh.errors import CallFailed
from tests.people import People
from tests.world import World
from tutormesh.availability.v1 import availability_pb2
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceStub


class LateFirst:
    """A call whose first request is lost on its way, and arrives when it is let go."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.lost: Any = None

    async def __call__(self, request: Any, **how: Any) -> Any:
        if self.lost is None:
            self.lost = request
            raise CallFailed(grpc.StatusCode.DEADLINE_EXCEEDED, "no answer yet")
        return await self.real(request, **how)

    async def arrive(self) -> Any:
        return await self.real(self.lost, timeout=2.5)


class StallFirst:
    """A hook that stops the first who comes to a point, and its lease's renewals with it; whoever comes later passes."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.reached, self.go, self.passed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __call__(self, point: str) -> None:
        if point == self.point and not self.reached.is_set():
            self.reached.set()
            await self.go.wait()
        elif point == "before renew" and self.reached.is_set():
            await self.go.wait()
        elif point == self.point.replace("before", "after") and self.go.is_set():
            self.passed.set()

    async def until_reached(self) -> None:
        await asyncio.wait_for(self.reached.wait(), 15)

    async def let_go(self) -> None:
        """Until the call that was stopped has been answered."""
        self.go.set()
        await asyncio.wait_for(self.passed.wait(), 10)


def first_step_of(world: World, kind: str) -> Any:
    """The services that the first step of a kind of saga calls, in the mesh's first replica."""
    purchase: Any = world.replicas[0].app.engine.kinds[kind, 1]
    return purchase._peers


async def block(people: People, tutor: UUID, start: datetime) -> str:
    """An hour that nobody gets, until it is unblocked."""
    stub = people.stub(AvailabilityServiceStub, "availability", "bff")
    request = availability_pb2.BlockTimeRequest(tutor_id=str(tutor))
    taken_out = request.blocks.add()
    taken_out.start.FromDatetime(start)
    taken_out.end.FromDatetime(start + timedelta(hours=1))
    return str((await stub.BlockTime(request, timeout=5)).blocks[0].id)


async def unblock(people: People, tutor: UUID, block_id: str) -> None:
    stub = people.stub(AvailabilityServiceStub, "availability", "bff")
    await stub.RemoveBlock(availability_pb2.RemoveBlockRequest(tutor_id=str(tutor), block_id=block_id), timeout=5)
