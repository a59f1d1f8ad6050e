"""The RPCs of payment_svc for operators: its sagas, the provider's intents, and the messages to people."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mesh import cursors, wire
from mesh.row_stamps import MOST_IDS
from payment_svc.auditing import Auditing
from payment_svc.convert.notifications import decode_page_token, decode_status, encode_message
from payment_svc.convert.payments import encode_event
from payment_svc.convert.sagas import decode_cursor, encode_counts, encode_intent, encode_saga
from payment_svc.notifications.delivering import Deliveries
from payment_svc.operators import Operators
from payment_svc.settling.reconcile import Reconcile
from tutormesh.payment.v1 import notification_pb2, notification_pb2_grpc, saga_pb2, saga_pb2_grpc

OPS_PAGE = 1000
MOST_OF_A_MARK = 100_000
Context = Any


class SagaServicer(saga_pb2_grpc.SagaServiceServicer):
    """SagaService."""

    def __init__(self, operators: Operators, reconcile: Reconcile, auditing: Auditing) -> None:
        self._operators, self._reconcile, self._auditing = operators, reconcile, auditing

    async def ListSagas(self, request: saga_pb2.ListSagasRequest, context: Context) -> saga_pb2.ListSagasResponse:
        if ids := wire.uuids(request.ids, "ids"):
            return saga_pb2.ListSagasResponse(sagas=map(encode_saga, await self._auditing.list_sagas_of(ids)))
        size, after = wire.page_size(request.page_size, 50, OPS_PAGE), cursors.decode(request.page_token)
        about = wire.text(request.about, "about", 255)
        found = await self._operators.list(request.state, request.open_only, about, after, size + 1)
        more = cursors.encode(found[size - 1].created_at, found[size - 1].id) if len(found) > size else ""
        return saga_pb2.ListSagasResponse(sagas=map(encode_saga, found[:size]), next_page_token=more)

    async def GetSaga(self, request: saga_pb2.GetSagaRequest, context: Context) -> saga_pb2.GetSagaResponse:
        saga, events = await self._operators.show(wire.uuid(request.saga_id, "saga_id"))
        return saga_pb2.GetSagaResponse(saga=encode_saga(saga), events=map(encode_event, events))

    async def RetrySaga(self, request: saga_pb2.RetrySagaRequest, context: Context) -> saga_pb2.RetrySagaResponse:
        saga = await self._operators.retry(wire.uuid(request.saga_id, "saga_id"))
        return saga_pb2.RetrySagaResponse(saga=encode_saga(saga))

    async def ResolveSaga(self, request: saga_pb2.ResolveSagaRequest, context: Context) -> saga_pb2.ResolveSagaResponse:
        saga_id, note = wire.uuid(request.saga_id, "saga_id"), wire.text(request.note, "note", 1000, least=1)
        return saga_pb2.ResolveSagaResponse(
            saga=encode_saga(await self._operators.resolve(saga_id, request.state, note))
        )

    async def Reconcile(self, request: saga_pb2.ReconcileRequest, context: Context) -> saga_pb2.ReconcileResponse:
        if not request.is_paged:
            return encode_counts(await self._reconcile.run_everything(), None)
        return encode_counts(*await self._reconcile.run_page(decode_cursor(request.page_token)))

    async def ListProviderIntents(
        self, request: saga_pb2.ListProviderIntentsRequest, context: Context
    ) -> saga_pb2.ListProviderIntentsResponse:
        if request.ids:
            found = await self._auditing.find_intents(wire.words(request.ids, "ids", 255))
            return saga_pb2.ListProviderIntentsResponse(intents=[encode_intent(*each) for each in found])
        size = wire.page_size(request.page_size, 100)
        page, more = await self._auditing.list_intents(wire.text(request.page_token, "page_token", 255), size)
        return saga_pb2.ListProviderIntentsResponse(
            intents=[encode_intent(*each) for each in page], next_page_token=more
        )

    async def ListChangedIds(
        self, request: saga_pb2.ListChangedIdsRequest, context: Context
    ) -> saga_pb2.ListChangedIdsResponse:
        size = wire.page_size(request.page_size, MOST_IDS, MOST_IDS)
        found = await self._auditing.list_changed_ids(request.mark, request.page_token, size)
        return saga_pb2.ListChangedIdsResponse(**asdict(found))

    async def ListIntentsOfEvents(
        self, request: saga_pb2.ListIntentsOfEventsRequest, context: Context
    ) -> saga_pb2.ListIntentsOfEventsResponse:
        found = await self._auditing.list_intents_of_events(request.mark, request.page_token)
        return saga_pb2.ListIntentsOfEventsResponse(
            intent_ids=found.ids,
            next_page_token=found.next_page_token,
            mark=found.mark,
            is_mark_lost=found.is_mark_lost,
        )

    async def GetAuditMark(
        self, request: saga_pb2.GetAuditMarkRequest, context: Context
    ) -> saga_pb2.GetAuditMarkResponse:
        return saga_pb2.GetAuditMarkResponse(mark=await self._auditing.get_mark())

    async def KeepAuditMark(
        self, request: saga_pb2.KeepAuditMarkRequest, context: Context
    ) -> saga_pb2.KeepAuditMarkResponse:
        await self._auditing.keep_mark(wire.text(request.mark, "mark", MOST_OF_A_MARK))
        return saga_pb2.KeepAuditMarkResponse()


class NotificationServicer(notification_pb2_grpc.NotificationServiceServicer):
    """NotificationService."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    async def ListNotifications(
        self, request: notification_pb2.ListNotificationsRequest, context: Context
    ) -> notification_pb2.ListNotificationsResponse:
        size, status = wire.page_size(request.page_size, 50, OPS_PAGE), decode_status(request.status)
        about, before = wire.optional_uuid(request.subject_id, "subject_id"), decode_page_token(request.page_token)
        found = await self._deliveries.store.list(status, about, before, size + 1)
        more = str(found[size - 1].seq) if len(found) > size else ""
        return notification_pb2.ListNotificationsResponse(
            notifications=map(encode_message, found[:size]), next_page_token=more
        )

    async def RetryNotifications(
        self, request: notification_pb2.RetryNotificationsRequest, context: Context
    ) -> notification_pb2.RetryNotificationsResponse:
        message_id = wire.optional_uuid(request.notification_id, "notification_id")
        return notification_pb2.RetryNotificationsResponse(retried=await self._deliveries.retry(message_id))
