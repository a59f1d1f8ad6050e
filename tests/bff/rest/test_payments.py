"""/payment/create-intent and the operator's routes, as docs/api.md (REST) says."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.people import People, lesson_time

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


async def test_metrics_count_requests(someone: Any) -> None:
    nobody = someone("")
    await nobody.ask("GET", "/api/v1/bookings/1")
    await nobody.ask("GET", "/nowhere")
    answer = await nobody.ask("GET", "/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    lines = answer.text.splitlines()
    seen = 'tutormesh_bff_requests_total{route="/api/v1/bookings/{uuid}",method="GET",status="401"} '
    assert [line for line in lines if line.startswith(seen)]
    assert [
        line
        for line in lines
        if line.startswith('tutormesh_bff_requests_total{route="none",method="GET",status="404"} ')
    ]
    assert "tutormesh_bff_requests_in_flight 1" in lines
    described, typed = (
        {line.split()[2] for line in lines if line.startswith(f"# {word} ")} for word in ("HELP", "TYPE")
    )
    assert described == typed != set()
    assert not [line for line in lines if "nowhere" in line]
