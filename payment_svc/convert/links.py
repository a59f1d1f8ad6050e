"""Pages of purchases → messages of LinkService."""

from __future__ import annotations

from datetime import timedelta

from mesh import clock, wire
from payment_svc.cancelling.quotes import Quote
from payment_svc.convert.orders import encode_quote
from payment_svc.domain import LessonFacts, RefundState, Saga
from payment_svc.domain.owed import list_rules
from payment_svc.domain.purchases import calendar_version
from payment_svc.pages.checkout import CheckoutView
from payment_svc.pages.managing import ManageView
from payment_svc.pages.purchases import PurchaseView
from tutormesh.common.v1 import money_pb2
from tutormesh.payment.v1 import link_pb2 as pb
from tutormesh.payment.v1 import payment_pb2


def encode_checkout(view: CheckoutView) -> pb.Checkout:
    facts, reason = view.purchase.saga.purchase_facts, view.decline_reason
    return pb.Checkout(
        purchase=encode_purchase(view.purchase),
        seconds_left=view.seconds_left,
        client_secret=view.client_secret,
        payment_url=view.payment_url,
        decline_reason=payment_pb2.DeclineReason.Value(f"DECLINE_REASON_{reason.value if reason else 'UNSPECIFIED'}"),
        attempts_left=view.attempts_left,
        return_url=facts.return_url,
        cancel_url=facts.cancel_url,
        manage_url=view.manage_url,
        free_times=[
            pb.FreeTime(start_time=clock.to_proto(time.start), end_time=clock.to_proto(time.end))
            for time in view.free_times
        ],
    )


def encode_managed(view: ManageView) -> pb.OpenPurchaseResponse:
    price, payment = view.purchase.saga.price, view.payment
    currency = price.currency if price else ""
    state = payment.refund_state if payment else RefundState.NONE
    return pb.OpenPurchaseResponse(
        purchase=encode_purchase(view.purchase),
        meeting_link=view.meeting_link,
        is_cancellable=view.is_cancellable,
        refunded=money_pb2.Money(amount_minor=payment.refunded_minor if payment else 0, currency=currency),
        refund_pending=money_pb2.Money(amount_minor=payment.pending_minor if payment else 0, currency=currency),
        refund_state=payment_pb2.RefundState.Value(f"REFUND_STATE_{state.value}"),
    )


def encode_cancellation_quote(quote: Quote, currency: str, token: str) -> pb.QuotePurchaseCancellationResponse:
    fields = encode_quote(quote, currency, token)
    return pb.QuotePurchaseCancellationResponse(quote_token=fields.pop("token"), **fields)


def encode_purchase(view: PurchaseView) -> pb.Purchase:
    saga, facts = view.saga, view.saga.purchase_facts
    purchase = pb.Purchase(
        person=pb.LinkPerson.Value(f"LINK_PERSON_{view.person.value}"),
        course_title=view.around.course_title,
        timezone=view.timezone,
        locale=view.locale,
        price=wire.to_money(saga.price) if saga.price else None,
        status=pb.PurchaseStatus.Value(f"PURCHASE_STATUS_{view.status.value}"),
        policy=[pb.PolicyRule(hours=hours, percent=percent) for hours, percent in list_rules(facts.policy)],
        version=calendar_version(view.status),
        reads_in_any_timezone=view.reads_in_any_timezone,
    )
    if isinstance(facts, LessonFacts):
        _add_lesson(purchase, saga, facts, view.around.tutor_name)
    else:
        purchase.enrollment_id, purchase.course_id = str(saga.sold_id), str(saga.course_id)
    return purchase


def _add_lesson(purchase: pb.Purchase, saga: Saga, facts: LessonFacts, tutor_name: str) -> None:
    lesson = saga.lesson
    purchase.booking_id, purchase.tutor_id, purchase.tutor_name = str(saga.sold_id), str(lesson.tutor_id), tutor_name
    purchase.course_id, purchase.purpose = str(facts.course_id or ""), facts.purpose
    purchase.start_time.FromDatetime(lesson.start)
    purchase.end_time.FromDatetime(lesson.start + timedelta(minutes=lesson.minutes))
