"""docs/api.md, "REST": each route, with its names, statuses and envelope."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from stripe import WebhookSignature

from tests.contract.client import MeshClient, Person, iso, lesson_time, wait_until

BOOKINGS = "/api/v1/bookings"
BOOKED = {
    "uuid", "status", "payment_session_id", "client_secret", "availability_block_uuid", "hold_expires_at", "start_time",
    "end_time",
}  # fmt: skip


def order(student: Person, tutor: Person, start: datetime, **more: Any) -> dict[str, Any]:
    body = {"student_uuid": student.id, "course_uuid": None, "instructor_uuid": tutor.id}
    return body | {"start_time": iso(start), "end_time": iso(start + timedelta(hours=1))} | more


def data(answer: httpx.Response) -> Any:
    """The data in a success's envelope."""
    body = answer.json()
    assert (answer.is_success, body["success"], isinstance(body["message"], str)) == (True, True, True), answer.text
    return body["data"]


def failure(answer: httpx.Response) -> tuple[int, str]:
    """The status of a failure, and the code in its envelope."""
    body = answer.json()
    assert (body["success"], bool(body["message"])) == (False, True)
    return answer.status_code, body["error"]["code"]


async def book_lesson(mesh: MeshClient, **more: Any) -> tuple[Person, Person, dict[str, Any]]:
    student, tutor = mesh.person("student"), await mesh.tutor()
    return student, tutor, data(await student.rest("POST", BOOKINGS, order(student, tutor, lesson_time(), **more)))


async def test_a_student_books_sees_pays_and_cancels(mesh: MeshClient) -> None:
    student, tutor, made = await book_lesson(mesh, purpose="fractions", price_amount="50.00", currency="USD")
    assert set(made) >= BOOKED
    assert made["status"] == "payment_required"
    path = f"{BOOKINGS}/{made['uuid']}"
    assert not data(await tutor.rest("GET", path)).get("client_secret")
    await mesh.pay({"paymentIntentId": made["payment_session_id"], "clientSecret": made["client_secret"]})

    async def status() -> str:
        return str(data(await student.rest("GET", path))["status"])

    await wait_until(status, lambda found: found == "confirmed")
    assert data(await student.rest("POST", f"{path}/cancel"))["status"] == "cancelled"


async def test_only_a_machine_can_book_for_a_student_at_its_own_price(mesh: MeshClient) -> None:
    student, tutor, machine = mesh.person("student"), await mesh.tutor(), mesh.person("service")
    body = order(student, tutor, lesson_time(), price_amount=12.5, currency="USD")
    made = data(await machine.rest("POST", BOOKINGS, body))
    booking = await student.booking(made["uuid"])
    assert booking["price"] == {"amountMinor": 1250, "currency": "USD", "display": "$12.50"}
    for who in (mesh.person("student"), tutor, mesh.person("admin")):
        assert failure(await who.rest("POST", BOOKINGS, body)) == (403, "FORBIDDEN")


@pytest.mark.parametrize("amount", ["50.00", 50.00, 50, "50"])
async def test_one_amount_can_be_written_in_many_ways(mesh: MeshClient, amount: Any) -> None:
    await book_lesson(mesh, price_amount=amount, currency="USD")


async def test_a_price_that_is_not_the_tutors_is_409_and_an_invalid_one_is_named(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    other = await student.rest(
        "POST", BOOKINGS, order(student, tutor, lesson_time(), price_amount="49", currency="USD")
    )
    assert other.status_code == 409
    odd = await student.rest(
        "POST", BOOKINGS, order(student, tutor, lesson_time(), price_amount=50.001, currency="USD")
    )
    assert (odd.status_code in (400, 422), "price_amount" in odd.json()["message"]) == (True, True)


async def test_a_time_without_offset_is_utc(mesh: MeshClient) -> None:
    start = lesson_time()
    _, _, made = await book_lesson(mesh, start_time=start.strftime("%Y-%m-%dT%H:%M:%S"))
    assert made["start_time"] == iso(start)


async def test_an_idempotency_key_is_honoured(mesh: MeshClient) -> None:
    student, tutor, key = mesh.person("student"), await mesh.tutor(), {"Idempotency-Key": str(uuid4())}
    first = await student.rest("POST", BOOKINGS, order(student, tutor, lesson_time()), headers=key)
    again = await student.rest("POST", BOOKINGS, order(student, tutor, lesson_time()), headers=key)
    assert data(first) == data(again)
    other = await student.rest("POST", BOOKINGS, order(student, tutor, lesson_time(hour=14)), headers=key)
    assert failure(other) == (409, "IDEMPOTENCY_MISMATCH")


async def test_bad_input_names_its_field(mesh: MeshClient) -> None:
    student, tutor = mesh.person("student"), await mesh.tutor()
    for field in ("student_uuid", "course_uuid", "instructor_uuid", "start_time", "end_time"):
        body = order(student, tutor, lesson_time())
        del body[field]
        answer = await student.rest("POST", BOOKINGS, body)
        assert (answer.status_code in (400, 422), field in answer.json()["message"]) == (True, True)


async def test_each_failure_has_its_status(mesh: MeshClient) -> None:
    student, tutor, made = await book_lesson(mesh)
    path, stranger, body = f"{BOOKINGS}/{made['uuid']}", mesh.person("student"), order(student, tutor, lesson_time())
    assert failure(await mesh.nobody.rest("GET", path)) == (401, "UNAUTHENTICATED")
    assert failure(await tutor.rest("POST", BOOKINGS, body)) == (403, "FORBIDDEN")
    assert failure(await stranger.rest("GET", path)) == failure(await student.rest("GET", f"{BOOKINGS}/{uuid4()}"))
    assert failure(await stranger.rest("GET", path)) == (404, "NOT_FOUND")
    taken = order(stranger, tutor, lesson_time())
    assert failure(await stranger.rest("POST", BOOKINGS, taken)) == (409, "SLOT_TAKEN")


async def test_a_tutor_blocks_all_times_or_none_and_can_remove_a_block(mesh: MeshClient) -> None:
    tutor, start = await mesh.tutor(), lesson_time(hour=9)
    path = f"/api/v1/instructors/{tutor.id}/availability"
    block = {"start_time": iso(start), "end_time": iso(start + timedelta(hours=1)), "reason": "dentist"}
    (made,) = data(await tutor.rest("POST", f"{path}/block", {"blocks": [block]}))["blocks"]
    assert made == {"uuid": made["uuid"], "start_time": block["start_time"], "end_time": block["end_time"]}
    later = {"start_time": iso(start + timedelta(hours=3)), "end_time": iso(start + timedelta(hours=4)), "reason": "x"}
    assert (await tutor.rest("POST", f"{path}/block", {"blocks": [later, block]})).status_code == 409
    asked = {"from": iso(start), "to": iso(start + timedelta(hours=4)), "duration_minutes": "60"}
    free = data(await mesh.person("student").rest("GET", path, params=asked))["slots"]
    assert iso(start) not in [slot["start_time"] for slot in free]
    assert later["start_time"] in [slot["start_time"] for slot in free]
    data(await tutor.rest("DELETE", f"{path}/block/{made['uuid']}"))
    assert iso(start) in [slot["start_time"] for slot in data(await tutor.rest("GET", path, params=asked))["slots"]]
    assert (await (await mesh.tutor()).rest("POST", f"{path}/block", {"blocks": [later]})).status_code == 404


async def test_create_intent_returns_the_live_intent_for_its_exact_amount(mesh: MeshClient) -> None:
    student, tutor, made = await book_lesson(mesh)
    path, body = "/payment/create-intent", {"bookingId": made["uuid"], "amount": "50.00", "currency": "USD"}
    for who in (student, mesh.person("service")):
        assert made["client_secret"] in (await who.rest("POST", path, body)).text
    for change in ({"amount": "50.01"}, {"currency": "EUR"}):
        assert (await student.rest("POST", path, body | change)).status_code == 409
    assert "_secret_" not in (await tutor.rest("POST", path, body)).text
    assert (await mesh.person("student").rest("POST", path, body)).status_code == 404


@pytest.mark.parametrize(("reported", "becomes"), [("succeeded", "confirmed"), ("failed", "payment_failed")])
async def test_a_report_of_a_callback_provider_ends_the_booking(mesh: MeshClient, reported: str, becomes: str) -> None:
    student, machine = mesh.person("student"), mesh.person("service")
    body = order(student, await mesh.tutor(), lesson_time(), payment_engine="callback")
    made = data(await machine.rest("POST", BOOKINGS, body))
    path = f"{BOOKINGS}/{made['uuid']}"
    report = {"payment_status": reported, "payment_engine": "callback", "payment_reference": made["uuid"]}
    assert failure(await student.rest("POST", f"{path}/payment-callback", report)) == (403, "FORBIDDEN")
    data(await machine.rest("POST", f"{path}/payment-callback", report))

    async def status() -> str:
        return str(data(await student.rest("GET", path))["status"])

    await wait_until(status, lambda found: found == becomes)


async def test_a_report_about_a_stripe_payment_changes_nothing(mesh: MeshClient) -> None:
    student, _, made = await book_lesson(mesh)
    path = f"{BOOKINGS}/{made['uuid']}"
    report = {"payment_reference": "pi_1", "payment_status": "succeeded", "payment_engine": "stripe"}
    await mesh.person("service").rest("POST", f"{path}/payment-callback", report)
    assert data(await student.rest("GET", path))["status"] == "payment_required"


@pytest.mark.parametrize("path", ["/webhooks/stripe", "/payment/webhook"])
async def test_an_event_is_accepted_only_with_stripes_signature(mesh: MeshClient, path: str) -> None:
    secret = (mesh.layout.keys / "stripe-webhook.secret").read_text().strip()
    event = {"id": f"evt_{uuid4().hex}", "object": "event", "type": "product.created", "livemode": False, "api_version": "",
             "created": int(time.time()), "data": {"object": {"id": "prod_1", "object": "product"}}}  # fmt: skip
    body = json.dumps(event)
    signature = WebhookSignature.generate_signature_header(body, secret)
    assert (
        await mesh.http.post(mesh.bff + path, content=body, headers={"Stripe-Signature": signature})
    ).status_code == 200
    for wrong in ({}, {"Stripe-Signature": "t=1,v1=00"}, {"Stripe-Signature": signature.replace("v1=", "v1=0")}):
        assert (await mesh.http.post(mesh.bff + path, content=body, headers=wrong)).status_code == 400


async def test_openapi_describes_every_route(mesh: MeshClient) -> None:
    document = (await mesh.http.get(f"{mesh.bff}/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    calendar = "/api/v1/instructors/{uuid}/availability"
    promised = {BOOKINGS, f"{BOOKINGS}/{{uuid}}", f"{BOOKINGS}/{{uuid}}/cancel", calendar, f"{calendar}/block"}
    promised |= {f"{BOOKINGS}/{{uuid}}/payment-callback"}
    assert promised | {f"{calendar}/block/{{blockUuid}}", "/payment/create-intent"} <= set(document["paths"])
