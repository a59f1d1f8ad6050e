"""/payment/create-intent and the operator's routes, as docs/api.md (REST) says."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.people import People, lesson_time
from tests.scraped import own

CREATE = "/payment/create-intent"


@pytest.mark.parametrize("amount", ["50.00", 50])
async def test_the_client_secret_of_the_live_payment_is_answered_again(
    people: People, someone: Any, amount: Any
) -> None:
    student = someone("student")
    made = await student.book(await people.tutor(), lesson_time(3))
    body = {"bookingId": made["uuid"], "amount": amount, "currency": "USD"}
    for who in (student, someone("service")):
        data = await who.data("POST", CREATE, body)
        assert (data["client_secret"], data["payment_session_id"]) == (
            made["client_secret"],
            made["payment_session_id"],
        )
        assert (data["clientSecret"], data["paymentIntentId"]) == (made["client_secret"], made["payment_session_id"])


async def test_another_amount_currency_or_state_is_409(people: People, someone: Any) -> None:
    student = someone("student")
    made = await student.book(await people.tutor(), lesson_time(3))
    body = {"bookingId": made["uuid"], "amount": "50.00", "currency": "USD"}
    for changes in ({"amount": "49.99"}, {"amount": 5000}, {"currency": "EUR"}):
        assert await student.refused("POST", CREATE, body | changes) == (409, "AMOUNT_MISMATCH")
    await student.data("POST", f"/api/v1/bookings/{made['uuid']}/cancel", {})
    assert await student.refused("POST", CREATE, body) == (409, "WRONG_STATE")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"bookingId": "1"}, "bookingId"),
        ({"bookingId": None}, "bookingId"),
        ({"amount": None}, "amount"),
        ({"amount": "50.001"}, "amount"),
        ({"amount": "fifty"}, "amount"),
        ({"amount": "999999999999"}, "amount"),
        ({"currency": None}, "currency"),
        ({"currency": "XXX"}, "currency"),
    ],
)
async def test_a_bad_field_is_named(someone: Any, changes: dict[str, Any], field: str) -> None:
    body = {"bookingId": str(uuid4()), "amount": "50.00", "currency": "USD"} | changes
    assert await someone("student").refused_field("POST", CREATE, body) == field


async def test_requests_are_counted_by_route_and_clients_find_no_metrics(someone: Any) -> None:
    nobody, before = someone(""), own()
    await nobody.ask("GET", "/api/v1/bookings/1")
    assert (await nobody.ask("GET", "/metrics")).status_code == 404
    await nobody.ask("GET", "/nowhere")
    after, count = own(), "tutormesh_bff_requests_total"
    for number, labels in (
        (1, {"route": "/api/v1/bookings/{uuid}", "method": "GET", "status": "401"}),
        (2, {"route": "none", "method": "GET", "status": "404"}),
    ):
        assert after.value(count, **labels) - before.value(count, **labels) == number
    timed = "tutormesh_bff_request_duration_seconds_count"
    assert after.value(timed, route="none") - before.value(timed, route="none") == 2
    assert "nowhere" not in after.text
