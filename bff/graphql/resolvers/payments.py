"""Resolvers of `payments.graphql`."""

from __future__ import annotations

from typing import Any

from ariadne import ObjectType, QueryType

from bff.graphql.context import Info
from bff.graphql.convert import payments as convert
from bff.graphql.convert.values import Shape, page
from bff.graphql.errors import field_resolver
from tutormesh.payment.v1 import payment_pb2

query, booking, enrollment = QueryType(), ObjectType("Booking"), ObjectType("Enrollment")
BINDABLES = (query, booking, enrollment)


@query.field("getPaymentHistory")
@field_resolver
async def list_my_payments(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = convert.list_payments_request(context.person.id, arguments)
    reply = await context.call_once(context.peers.payment.ListPayments, request)
    return page([convert.payment(payment) for payment in reply.payments], reply, arguments)


@query.field("getTutorPayments")
@field_resolver
async def list_tutor_payments(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = convert.list_tutor_payments_request(context.person.id, arguments)
    reply = await context.call_once(context.peers.payment.ListTutorPayments, request)
    return page([convert.payment(payment) for payment in reply.payments], reply, arguments)


@query.field("saga")
@field_resolver
async def get_saga(_: None, info: Info, **arguments: Any) -> Shape:
    context = info.context
    request = payment_pb2.GetSagaProgressRequest(saga_id=arguments["id"])
    return convert.saga(await context.call_once(context.peers.payment.GetSagaProgress, request))


@booking.field("payment")
@enrollment.field("payment")
@field_resolver
async def payment_of_purchase(purchase: Shape, info: Info) -> Shape | None:
    """The payment of a booking or an enrollment; one that is free has none."""
    found = await _find_payment(purchase, info)
    return convert.payment(found) if found else None


@booking.field("checkoutUrl")
@enrollment.field("checkoutUrl")
@field_resolver
async def checkout_url_of_purchase(purchase: Shape, info: Info) -> str | None:
    """Its page to pay on. The payment service gives it to its student alone, and to services."""
    found = await _find_payment(purchase, info)
    return (found.checkout_url or None) if found else None


async def _find_payment(purchase: Shape, info: Info) -> payment_pb2.Payment | None:
    return await info.context.by_id.payments.find(purchase["paymentId"]) if purchase["paymentId"] else None
