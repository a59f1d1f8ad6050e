"""Metrics of real processes: a sale moves them, and each kind of trouble shows in the metric that is meant for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from uuid import uuid4

from mesh.database import Database
from payment_svc.backlog import Backlog
from payment_svc.store.backlog import BacklogStore
from tests.replicas.processes import Order, Processes, lesson_time, wait_until
from tests.scraped import Scrape, own, scrape

#: One message that was delivered becomes a dead letter.
GIVE_UP = """
    update notification set status = 'DEAD', error = 'x' where (id, channel, audience) in (
        select id, channel, audience from notification where status = 'DELIVERED' limit 1) returning id, channel
"""
PORTS = (("bff", 1), ("booking", 1), ("availability", 1), ("session", 1), ("payment", 1), ("payment", 2))


async def scrape_all(mesh: Processes) -> Scrape:
    ports = [port for name, number in PORTS if (port := mesh.mesh.layout.metrics_port(name, number))]
    return await scrape(mesh.http, ports)


async def grows(mesh: Processes, before: Scrape, name: str, by: float = 1, **labels: str) -> Scrape:
    """Wait until a sample has grown by this much or more; the scrape that shows it."""
    return await wait_until(
        lambda: scrape_all(mesh), lambda now: now.value(name, **labels) - before.value(name, **labels) >= by
    )


async def sell(mesh: Processes, hours: int) -> tuple[Order, str]:
    """A sold lesson, and its PaymentIntent."""
    order = Order(await mesh.tutor(), lesson_time(hours))
    intent = str((await mesh.book_until_answered(order))["paymentIntentId"])
    await mesh.pay(intent)
    await mesh.until_state(order, "COMPLETED")
    return order, intent


async def reconcile(mesh: Processes) -> None:
    given = {name: mesh.mesh.layout.settings[name] for name in ("TUTORMESH_DATA", "TUTORMESH_PORT_BASE")}
    command = (sys.executable, "-m", "ops", "reconcile")
    process = await asyncio.create_subprocess_exec(*command, env=dict(os.environ) | given, cwd=mesh.mesh.layout.root)
    assert await process.wait() == 0


async def test_a_sale_moves_the_numbers_of_every_process_that_works_on_it(mesh: Processes) -> None:
    before = await scrape_all(mesh)
    await sell(mesh, 100)
    kind = "BookAndPayForSessionSaga"
    after = await grows(mesh, before, "tutormesh_saga_transitions_total", kind=kind, state="COMPLETED")
    gone_up: list[tuple[float, str, dict[str, str]]] = [
        (1, "tutormesh_graphql_field_duration_seconds_count", {"field": "bookSession", "outcome": "ok"}),
        (1, "tutormesh_rpc_duration_seconds_count", {"rpc": "PaymentService/BookSession", "code": "OK"}),
        (1, "tutormesh_rpc_duration_seconds_count", {"rpc": "AvailabilityService/ConfirmSlot", "code": "OK"}),
        (1, "tutormesh_rpc_duration_seconds_count", {"rpc": "SessionService/CreateConfirmedSession", "code": "OK"}),
        (1, "tutormesh_rpc_client_duration_seconds_count", {"rpc": "BookingService/ConfirmBooking", "code": "OK"}),
        (1, "tutormesh_provider_call_duration_seconds_count", {"call": "create_intent", "outcome": "ok"}),
        (1, "tutormesh_webhook_events_total", {"type": "payment_intent.succeeded", "verdict": "Apply"}),
        (1, "tutormesh_webhook_lag_seconds_count", {"source": "webhook"}),
        (1, "tutormesh_saga_duration_seconds_count", {"kind": kind, "state": "COMPLETED"}),
        (5000, "tutormesh_sold_minor_units_total", {"currency": "USD"}),
    ]
    for number, name, labels in gone_up:
        assert after.value(name, **labels) - before.value(name, **labels) == number, (name, labels)
    assert after.value("tutormesh_database_up", ability="write") == 5
    assert after.value("tutormesh_database_connections_limit", database="payment") == 32
    assert after.value("tutormesh_event_loop_lag_seconds_count") > 0
    for hidden in ("pi_", "secret", "eyJ"):
        assert hidden not in after.text


async def test_a_refused_order_is_no_flat_line_of_200(mesh: Processes) -> None:
    before = await scrape_all(mesh)
    query = "mutation ($t: ID!, $time: AWSDateTime!) { bookSession(tutorId: $t, time: $time) { userErrors { code } } }"
    await mesh.graphql("student", uuid4(), query, t=str(uuid4()), time=lesson_time().isoformat())
    await mesh.graphql("student", uuid4(), "{ nothing }")
    after = await scrape_all(mesh)
    for name, labels in (
        ("tutormesh_graphql_user_errors_total", {"field": "bookSession", "code": "TUTOR_NOT_FOUND"}),
        ("tutormesh_graphql_errors_total", {"code": "BAD_USER_INPUT"}),
        ("tutormesh_rpc_refusals_total", {"rpc": "PaymentService/BookSession", "reason": "TUTOR_NOT_FOUND"}),
    ):
        assert after.value(name, **labels) - before.value(name, **labels) == 1, name


async def test_a_provider_that_is_away_shows_in_its_calls(mesh: Processes) -> None:
    before, order = await scrape_all(mesh), Order(await mesh.tutor(), lesson_time(101))
    fault = {"method": "POST", "path": "/v1/payment_intents", "fault": "error_before", "times": 3}
    await mesh.sandbox("POST", "faults", **fault)
    await mesh.book_until_answered(order)
    labels = {"provider": "stripe", "call": "create_intent", "outcome": "unknown"}
    await grows(mesh, before, "tutormesh_provider_call_duration_seconds_count", **labels)


async def test_webhooks_that_are_lost_show_in_what_reconcile_finds(mesh: Processes) -> None:
    before, order = await scrape_all(mesh), Order(await mesh.tutor(), lesson_time(102))
    intent = str((await mesh.book_until_answered(order))["paymentIntentId"])
    await mesh.sandbox("POST", "webhooks", mode="drop")
    try:
        await mesh.pay(intent)
        await reconcile(mesh)
    finally:
        await mesh.sandbox("POST", "webhooks", mode="normal")
    await grows(mesh, before, "tutormesh_reconcile_found_total", stage="waiting")
    await mesh.until_state(order, "COMPLETED")


async def test_webhooks_that_are_late_show_in_their_lag(mesh: Processes) -> None:
    order = Order(await mesh.tutor(), lesson_time(103))
    intent = str((await mesh.book_until_answered(order))["paymentIntentId"])
    before = await scrape_all(mesh)
    await mesh.sandbox("POST", "webhooks", mode="normal", delay_ms=2100)
    try:
        await mesh.pay(intent)
        after = await grows(mesh, before, "tutormesh_webhook_lag_seconds_count", source="webhook")
    finally:
        await mesh.sandbox("POST", "webhooks", mode="normal", delay_ms=0)
    total = "tutormesh_webhook_lag_seconds_sum"
    assert after.value(total, source="webhook") - before.value(total, source="webhook") > 2


async def test_a_refund_that_fails_and_a_saga_that_waits_for_a_person_show(mesh: Processes) -> None:
    before, (_, intent) = await scrape_all(mesh), await sell(mesh, 104)
    await mesh.sandbox("POST", "disputes", payment_intent=intent)
    await grows(mesh, before, "tutormesh_saga_transitions_total", kind="DisputeCase", state="PARKED")
    fault = {"method": "POST", "path": "/v1/refunds", "fault": "refund_failed", "times": 1}
    await mesh.sandbox("POST", "faults", **fault)
    order = Order(await mesh.tutor(), lesson_time(105))
    await mesh.underpay(str((await mesh.book_until_answered(order))["paymentIntentId"]))
    await grows(mesh, before, "tutormesh_refunds_total", status="FAILED")
    await mesh.until_state(order, "REFUNDED", 40)
    await grows(mesh, before, "tutormesh_refunded_minor_units_total", by=100, currency="USD")
    async with backlog_of(mesh) as backlog:
        await backlog.refresh()
    assert own().value("tutormesh_sagas_parked", reason="DISPUTED") >= 1


async def test_the_backlog_is_what_the_database_has(mesh: Processes) -> None:
    await mesh.book_until_answered(Order(await mesh.tutor(), lesson_time(106)))
    async with backlog_of(mesh) as backlog:
        await backlog.refresh()
        open_ones = await mesh.sql("payment", "select count(*) from saga where state = 'AWAITING_PAYMENT'")
        assert own().value("tutormesh_sagas_open", state="AWAITING_PAYMENT") == open_ones[0]["count"]
        (letter,) = await mesh.sql("payment", GIVE_UP)
        await backlog.refresh()
        assert own().value("tutormesh_messages", channel=letter["channel"], status="DEAD") == 1
        await mesh.sql("payment", "update notification set status = 'DELIVERED' where id = $1", letter["id"])
        await backlog.refresh()
        assert own().value("tutormesh_messages", status="DEAD") == 0


@contextlib.asynccontextmanager
async def backlog_of(mesh: Processes) -> AsyncIterator[Backlog]:
    """The gauges, to be read by this process in the place of a payment_svc."""
    assert mesh.mesh.launcher._postgres is not None
    async with Database(mesh.mesh.launcher._postgres.url("tutormesh_payment"), name="test") as database:
        yield Backlog(BacklogStore(database))


async def test_a_metrics_port_serves_nothing_else(mesh: Processes) -> None:
    port = mesh.mesh.layout.metrics_port("payment")
    assert (await mesh.http.get(f"http://127.0.0.1:{port}/")).status_code == 404
    openmetrics = {"accept": "application/openmetrics-text; version=1.0.0"}
    edge = f"http://127.0.0.1:{mesh.mesh.layout.metrics_port('bff')}/metrics"
    told = (await mesh.http.get(edge, headers=openmetrics)).text
    assert [line for line in told.splitlines() if " # {" in line and 'request_id="' in line]
