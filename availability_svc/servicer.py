"""AvailabilityService: each method decodes a request, calls a use case and encodes the response."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from availability_svc import convert
from availability_svc.blocks import Blocks
from availability_svc.holds import Claims, Holds
from availability_svc.limits import Terms
from availability_svc.schedules import Schedules, Slots
from availability_svc.store import CHANGED, STAMPED
from availability_svc.tutors import Tutors
from availability_svc.worker import BookingHoldCleanupJob
from mesh import calls, cursors, wire
from mesh.database import Database
from mesh.errors import Forbidden
from mesh.row_stamps import MOST_IDS, RowStamps
from tutormesh.availability.v1 import availability_pb2 as pb2
from tutormesh.availability.v1.availability_pb2_grpc import AvailabilityServiceServicer

CLAIMS_PAGE, MOST_CLAIMS = 500, 1000
BLOCKS_PAGE, TUTORS_PAGE = 20, 20


class AvailabilityServicer(AvailabilityServiceServicer):
    """The promises of each RPC are in availability.proto."""

    def __init__(self, database: Database, terms: Terms, cleanup: BookingHoldCleanupJob) -> None:
        self._cleanup = cleanup
        self._schedules, self._slots = Schedules(database), Slots(database, terms)
        self._tutors = Tutors(database, terms)
        self._holds, self._blocks, self._claims = Holds(database, terms), Blocks(database, terms), Claims(database)
        self._stamps = RowStamps(database, STAMPED, CHANGED)

    async def PublishAvailability(
        self, request: pb2.PublishAvailabilityRequest, context: Any
    ) -> pb2.PublishAvailabilityResponse:
        schedule = convert.schedule(request)
        _must_be_tutor(schedule.tutor_id)
        await self._schedules.publish(schedule)
        return pb2.PublishAvailabilityResponse(schedule=convert.to_schedule(schedule))

    async def GetSchedule(self, request: pb2.GetScheduleRequest, context: Any) -> pb2.GetScheduleResponse:
        tutor_id = wire.uuid(request.tutor_id, "tutor_id")
        calls.current().must_speak_for(tutor_id)
        return pb2.GetScheduleResponse(schedule=convert.to_schedule(await self._schedules.get(tutor_id)))

    async def ListSlots(self, request: pb2.ListSlotsRequest, context: Any) -> pb2.ListSlotsResponse:
        tutor_id, within, minutes = convert.listing(request)
        schedule, free = await self._slots.list_free(tutor_id, within, minutes)
        return convert.slots_response(free, schedule, minutes)

    async def ListTutors(self, request: pb2.ListTutorsRequest, context: Any) -> pb2.ListTutorsResponse:
        size = wire.page_size(request.page_size, TUTORS_PAGE)
        found = await self._tutors.list_page(cursors.decode_id(request.page_token), size + 1)
        return convert.tutors_page(found, size)

    async def HoldSlot(self, request: pb2.HoldSlotRequest, context: Any) -> pb2.HoldSlotResponse:
        return convert.hold_response(await self._holds.hold(convert.order(request)))

    async def ConfirmSlot(self, request: pb2.ConfirmSlotRequest, context: Any) -> pb2.ConfirmSlotResponse:
        block_id = await self._holds.confirm(wire.uuid(request.saga_id, "saga_id"))
        return pb2.ConfirmSlotResponse(availability_block_id=str(block_id))

    async def ReleaseSlot(self, request: pb2.ReleaseSlotRequest, context: Any) -> pb2.ReleaseSlotResponse:
        await self._holds.release(wire.uuid(request.saga_id, "saga_id"))
        return pb2.ReleaseSlotResponse()

    async def BlockTime(self, request: pb2.BlockTimeRequest, context: Any) -> pb2.BlockTimeResponse:
        tutor_id = wire.uuid(request.tutor_id, "tutor_id")
        _must_be_tutor(tutor_id)
        request_id = wire.optional_uuid(request.request_id, "request_id")
        return convert.blocks_response(await self._blocks.block(tutor_id, convert.wanted_blocks(request), request_id))

    async def RemoveBlock(self, request: pb2.RemoveBlockRequest, context: Any) -> pb2.RemoveBlockResponse:
        tutor_id = wire.uuid(request.tutor_id, "tutor_id")
        _must_be_tutor(tutor_id)
        await self._blocks.remove(tutor_id, wire.uuid(request.block_id, "block_id"))
        return pb2.RemoveBlockResponse()

    async def ListBlocks(self, request: pb2.ListBlocksRequest, context: Any) -> pb2.ListBlocksResponse:
        tutor_id = wire.uuid(request.tutor_id, "tutor_id")
        calls.current().must_speak_for(tutor_id)
        size = wire.page_size(request.page_size, BLOCKS_PAGE)
        found = await self._blocks.list_coming(tutor_id, cursors.decode(request.page_token), size + 1)
        return convert.blocks_page(found, size)

    async def ListClaims(self, request: pb2.ListClaimsRequest, context: Any) -> pb2.ListClaimsResponse:
        calls.current().must_speak_for()  # the list shows everybody's calendars, so no single person may read it
        if ids := wire.uuids(request.ids, "ids"):
            return pb2.ListClaimsResponse(claims=map(convert.claim, await self._claims.list_overlapping(ids)))
        size = wire.page_size(request.page_size, CLAIMS_PAGE, MOST_CLAIMS)
        page, last = await self._claims.list_page(cursors.decode_id(request.page_token), size)
        token = cursors.encode_id(last) if last else ""
        return pb2.ListClaimsResponse(claims=[convert.claim(claim) for claim in page], next_page_token=token)

    async def ListChangedIds(self, request: pb2.ListChangedIdsRequest, context: Any) -> pb2.ListChangedIdsResponse:
        size = wire.page_size(request.page_size, MOST_IDS, MOST_IDS)
        return pb2.ListChangedIdsResponse(**asdict(await self._stamps.list_ids(request.mark, request.page_token, size)))

    async def CleanUpHolds(self, request: pb2.CleanUpHoldsRequest, context: Any) -> pb2.CleanUpHoldsResponse:
        calls.current().must_speak_for()  # everybody's holds
        done = await self._cleanup.clean_up()
        return pb2.CleanUpHoldsResponse(claims=done.claims, blocks=done.blocks)


def _must_be_tutor(tutor_id: UUID) -> None:
    """A person may only change their own calendar, and only as a tutor. Raises Forbidden."""
    call = calls.current()
    call.must_speak_for(tutor_id)
    person = call.person
    if person is not None and not (person.is_admin or person.is_service or "tutor" in person.roles):
        raise Forbidden
