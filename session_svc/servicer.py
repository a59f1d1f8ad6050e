"""SessionService: each method decodes a request, calls a use case and encodes the response."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mesh import wire
from mesh.row_stamps import MOST_IDS
from session_svc import convert
from session_svc.sessions import Sessions
from tutormesh.session.v1 import session_pb2 as pb
from tutormesh.session.v1 import session_pb2_grpc


class SessionServicer(session_pb2_grpc.SessionServiceServicer):
    """The promises of each RPC are in session.proto."""

    def __init__(self, sessions: Sessions, encode: convert.Encoder) -> None:
        self._sessions, self._encode = sessions, encode

    async def CreateConfirmedSession(
        self, request: pb.CreateConfirmedSessionRequest, context: Any
    ) -> pb.CreateConfirmedSessionResponse:
        session = await self._sessions.create(*convert.ids(request), convert.lesson(request))
        return pb.CreateConfirmedSessionResponse(session=self._encode.session(session))

    async def CancelSession(self, request: pb.CancelSessionRequest, context: Any) -> pb.CancelSessionResponse:
        await self._sessions.cancel(*convert.ids(request), convert.decided_at(request))
        return pb.CancelSessionResponse()

    async def CompleteSession(self, request: pb.CompleteSessionRequest, context: Any) -> pb.CompleteSessionResponse:
        session = await self._sessions.complete(wire.uuid(request.session_id, "session_id"))
        return pb.CompleteSessionResponse(session=self._encode.session(session))

    async def GetSession(self, request: pb.GetSessionRequest, context: Any) -> pb.GetSessionResponse:
        session = await self._sessions.get(wire.uuid(request.session_id, "session_id"))
        return pb.GetSessionResponse(session=self._encode.session(session))

    async def BatchGetSessions(self, request: pb.BatchGetSessionsRequest, context: Any) -> pb.BatchGetSessionsResponse:
        found = await self._sessions.get_many(wire.uuids(request.session_ids, "session_ids"))
        return pb.BatchGetSessionsResponse(sessions=map(self._encode.session, found))

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Any) -> pb.ListSessionsResponse:
        person, size = wire.optional_uuid(request.person_id, "person_id"), convert.page_size(request)
        ids = wire.listed_ids(request.ids, person)
        if person is None:
            convert.require_no_person(request)
            if ids:
                return pb.ListSessionsResponse(sessions=map(self._encode.session, await self._sessions.list_of(ids)))
            status = convert.status(request)
            found = await self._sessions.list_all(status, convert.cursor_by_id(request), size + 1)
            return self._encode.page(found, size, None)
        listing = convert.listing(request, person)
        found = await self._sessions.list_of_person(listing, convert.cursor(request, listing.order), size + 1)
        return self._encode.page(found, size, listing.order)

    async def ListChangedIds(self, request: pb.ListChangedIdsRequest, context: Any) -> pb.ListChangedIdsResponse:
        size = wire.page_size(request.page_size, MOST_IDS, MOST_IDS)
        found = await self._sessions.list_changed_ids(request.mark, request.page_token, size)
        return pb.ListChangedIdsResponse(**asdict(found))
