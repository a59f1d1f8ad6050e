"""The RPCs of payment_svc for operators: its sagas, the provider's intents, and the messages to people."""

from __future__ import annotations

import asyncio
from typing import Any

from mesh import cursors, wire
from mesh.errors import BadInput
from payment_svc.convert.notifications import decode_page_token, decode_status, encode_message
from payment_svc.convert.payments import encode_event
from payment_svc.convert.sagas import decode_cursor, encode_counts, encode_intent, encode_saga
from payment_svc.domain import Intent
from payment_svc.notifications.delivering import Deliveries
from payment_svc.operators import Operators
from payment_svc.providers.port import ProviderRefused
from payment_svc.providers.registry import Providers
from payment_svc.settling.reconcile import Reconcile
from tutormesh.payment.v1 import notification_pb2, notification_pb2_grpc, saga_pb2, saga_pb2_grpc

OPS_PAGE = 1000
#: Questions to the provider at the same time for one page of the audit. Stripe allows 100 a second in all.
PROVIDER_CALLS = 4
Context = Any


class SagaServicer(saga_pb2_grpc.SagaServiceServicer):
    """SagaService."""

    def __init__(self, operators: Operators, reconcile: Reconcile, providers: Providers) -> None:
        self._operators, self._reconcile, self._providers = operators, reconcile, providers

    async def ListSagas(self, request: saga_pb2.ListSagasRequest, context: Context) -> saga_pb2.ListSagasResponse:
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
        size = wire.page_size(request.page_size, 100)
        token = wire.text(request.page_token, "page_token", 255)
        try:
            page, more = await self._providers.list_intents(token, size)
        except ProviderRefused as error:
            raise BadInput("is no page of the provider's", field="page_token") from error
        slots = asyncio.Semaphore(PROVIDER_CALLS)
        intents = await asyncio.gather(
            *(self._with_refunds(intent, slots) for intent in page if intent.saga_id is not None)
        )
        return saga_pb2.ListProviderIntentsResponse(intents=intents, next_page_token=more)

    async def _with_refunds(self, intent: Intent, slots: asyncio.Semaphore) -> saga_pb2.ProviderIntent:
        if not intent.received:
            return encode_intent(intent, [])
        async with slots:
            return encode_intent(intent, await self._providers.list_refunds(intent.id))


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
