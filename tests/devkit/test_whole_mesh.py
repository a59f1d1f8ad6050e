"""The whole mesh of real processes, as `make up` starts it: a lesson is sold over HTTP while a process is killed."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from devkit.demo.lesson import DemoFailed, sell_lesson
from devkit.layout import STORED, Layout
from devkit.readiness import wait_until_ready
from ops.trace import Span, find_traces, read_spans
from tests.devkit.fake_mesh import RealMesh, is_alive, run_mesh, wait_until
from tests.devkit.test_commands import tutormesh
from tests.traced import ATTRIBUTES

#: A proxy that nobody answers at: whatever of this mesh used it would fail.
PROXY = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "grpc_proxy"), "http://127.0.0.1:9")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealMesh]:
    async with run_mesh(RealMesh(tmp_path_factory.mktemp("mesh"), **PROXY)) as started:
        yield started
        pids = [child.process.pid for child in started.launcher.children if child.process]
    assert len(pids) == 8
    assert not any(map(is_alive, pids))


async def test_a_lesson_is_sold_step_by_step(mesh: RealMesh) -> None:
    lines: list[str] = []
    await sell_lesson(mesh.layout, lines.append)
    steps = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert steps == ["published", "slots", "booked", "paid", "CONFIRMED"]


async def test_a_sale_is_traced_over_every_hop_and_found_by_its_booking(mesh: RealMesh) -> None:
    booking, files = await sell_lesson(mesh.layout, lambda _: None), mesh.layout.data / "traces"
    in_sale = {"bff POST /graphql", "bff mutation bookSession", "payment PaymentService/BookSession"}
    in_sale |= {"payment BookAndPayForSessionSaga", "availability AvailabilityService/HoldSlot"}
    in_sale |= {"payment stripe create_intent"}
    in_webhook = {
        "bff POST /webhooks/stripe",
        "payment PaymentService/HandleStripeWebhook",
        "booking BookingService/ConfirmBooking",
    }
    in_webhook |= {"payment BookAndPayForSessionSaga", "session SessionService/CreateConfirmedSession"}

    def trace_with(names: set[str]) -> list[Span]:
        """Each service writes its spans once a second."""
        traces = find_traces(lambda: read_spans(files.glob("*.jsonl*")), booking)
        return next((each for each in traces if names <= {f"{span.service} {span.name}" for span in each}), [])

    await wait_until(lambda: bool(trace_with(in_sale) and trace_with(in_webhook)))
    sale, webhook = trace_with(in_sale), trace_with(in_webhook)
    assert any(span.links == {sale[0].trace} for span in webhook)
    assert any("insert into saga" in span.attributes.get("db.query.text", "") for span in sale)
    for spans in (sale, webhook):
        of_saga = set[str]()
        for span in spans:  # in the order of their beginning: a parent comes before what it calls
            if span.name == "BookAndPayForSessionSaga" or span.parent in of_saga:
                of_saga.add(span.id)
                named = {name.removeprefix("tutormesh.") for name in span.attributes}
                assert {"saga_id", "booking_id", "payment_id", "session_id"} <= named, span
        assert len(of_saga) > 10
    drawn = tutormesh(
        "trace", booking, **{name: mesh.layout.settings[name] for name in ("TUTORMESH_DATA", "TUTORMESH_PORT_BASE")}
    )
    assert drawn.exit_code == 0 and all(name.split(" ", 1)[1] in drawn.output for name in in_sale | in_webhook)
    told = "".join(file.read_text() for file in files.iterdir())
    secrets = ("_secret_", "eyJ", "sk_test", "@people.example.com", "A first lesson", "lk_", "whsec_")
    assert not any(secret in told for secret in secrets)
    every = list(read_spans(files.glob("*.jsonl*")))
    assert {name for span in every for name in span.attributes} <= ATTRIBUTES
    assert not any(
        re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-|\d{4}", span.attributes.get("db.query.text", "")) for span in every
    )


async def test_a_clients_trace_goes_on_in_each_service_and_its_baggage_goes_nowhere(mesh: RealMesh) -> None:
    trace, tutor = "0af7651916cd43dd8448eb211c80319c", mesh.layout.signer().token("tutor")
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "baggage": "person=nobodys-business"}
    query = {"query": "{ myAvailability { timezone } getMyBookings { edges { node { id } } } }"}
    async with httpx.AsyncClient(trust_env=False) as http:
        await http.post(
            f"{mesh.layout.url('bff')}/graphql", json=query, headers=headers | {"Authorization": f"Bearer {tutor}"}
        )

    def services() -> set[str]:
        return {span.service for span in read_spans(mesh.layout.data.glob("traces/*.jsonl*")) if span.trace == trace}

    await wait_until(lambda: len(services()) >= 3)
    told = "".join(file.read_text() for file in mesh.layout.data.glob("traces/*.jsonl*"))
    assert "nobodys-business" not in told and not any("nobodys-business" in line for line in mesh.console.lines)


async def test_each_service_that_works_on_a_sale_has_its_booking_in_its_log_lines(mesh: RealMesh) -> None:
    before = len(mesh.console.lines)
    booking = await sell_lesson(mesh.layout, lambda _: None)

    def lines() -> list[str]:
        return [line for line in mesh.console.lines[before:] if f"booking_id={booking}" in line]

    working = {"availability", "bff", "booking", "payment", "session"}
    await wait_until(lambda: {line.split()[0] for line in lines()} == working)
    assert all("request_id=" in line and "trace_id=" in line for line in lines())
    traces = {line.partition("trace_id=")[2].split()[0] for line in lines() if "saga_id=" in line}
    of_sale = [line for line in mesh.console.lines[before:] if any(f"trace_id={trace}" in line for trace in traces)]
    missing = [line for line in of_sale if f"booking_id={booking}" not in line or "saga_id=" not in line]
    assert len(of_sale) >= 9 and missing == []


async def test_an_exemplar_leads_from_a_slow_bucket_to_its_trace(mesh: RealMesh) -> None:
    await sell_lesson(mesh.layout, lambda _: None)
    metrics = {
        "tutormesh_bff_request_duration_seconds": ("bff", {"route": "/graphql"}),
        "tutormesh_graphql_field_duration_seconds": ("bff", {"field": "bookSession"}),
        "tutormesh_rpc_duration_seconds": ("payment", {"rpc": "PaymentService/BookSession"}),
        "tutormesh_provider_call_duration_seconds": ("payment", {"call": "create_intent"}),
    }
    shown = [await traces_shown(mesh.layout, *where, name) for name, where in metrics.items()]

    def kept() -> set[str]:
        return {span.trace for span in read_spans((mesh.layout.data / "traces").glob("*.jsonl*"))}

    await wait_until(lambda: all(found & kept() for found in shown))


async def traces_shown(layout: Layout, process: str, labels: dict[str, str], metric: str) -> set[str]:
    """The trace ids of the exemplars, as Prometheus asks for them."""
    wanted = {"accept": "application/openmetrics-text; version=1.0.0"}
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"http://127.0.0.1:{layout.metrics_port(process)}/metrics", headers=wanted)
    families = text_string_to_metric_families(answer.text)
    samples = [sample for family in families if family.name == metric for sample in family.samples]
    seen = [sample.exemplar for sample in samples if labels.items() <= sample.labels.items()]
    return {exemplar.labels["trace_id"] for exemplar in seen if exemplar}


async def test_the_start_says_that_the_proxy_of_the_environment_is_for_what_leaves_the_machine(mesh: RealMesh) -> None:
    (line,) = (line for line in mesh.console.lines if "http_proxy" in line)
    assert all(name in line for name in PROXY) and "127.0.0.1 and localhost do not" in line
    assert "127.0.0.1:9" not in line.replace("127.0.0.1 and", "")


async def test_student_and_tutor_get_mail_that_the_sandbox_shows(mesh: RealMesh) -> None:
    await sell_lesson(mesh.layout, lambda _: None)
    async with httpx.AsyncClient() as http:
        deadline = time.monotonic() + 60
        mails: list[dict[str, Any]] = []
        while len(mails) < 4:  # two for this lesson, and two for the lesson of the test before
            assert time.monotonic() < deadline, mails
            mails = (await http.get(f"{mesh.layout.url('sandbox')}/_sandbox/mail")).json()["mails"]
    subjects = {mail["subject"].partition(": ")[0] for mail in mails}
    assert subjects == {"Lesson confirmed", "New lesson"}
    assert any(line.startswith("sandbox") and "mail to " in line for line in mesh.console.lines)


async def test_a_booking_is_confirmed_although_payment_is_killed_right_after_the_payment(mesh: RealMesh) -> None:
    killed: list[int] = []

    def kill_once_paid(line: str) -> None:
        if line.startswith("paid"):
            killed.append(mesh.pid("payment"))
            os.kill(killed[0], signal.SIGKILL)

    booking = await sell_lesson(mesh.layout, kill_once_paid)
    assert not is_alive(killed[0]) and mesh.pid("payment") != killed[0]
    await wait_until(lambda: goes_on_elsewhere(mesh, booking))


def goes_on_elsewhere(mesh: RealMesh, booking: str) -> bool:
    """True when the saga ran on in other traces, and each of them is linked to the trace in which it was begun."""
    traces = find_traces(lambda: read_spans(mesh.layout.data.glob("traces/*.jsonl*")), booking)
    begun = [spans[0].trace for spans in traces if any(span.name == "mutation bookSession" for span in spans)]
    runs = [
        spans
        for spans in traces
        if spans[0].trace not in begun and any(span.name == "BookAndPayForSessionSaga" for span in spans)
    ]
    return len(begun) == 1 and bool(runs) and all(any(begun[0] in span.links for span in spans) for spans in runs)


async def test_health_says_that_every_service_serves(mesh: RealMesh) -> None:
    await wait_until_ready(mesh.layout.port("bff"))
    for program in STORED:
        lines = tutormesh("health", mesh.layout.address(program.name))
        assert (lines.exit_code, lines.output) == (0, f"{mesh.layout.address(program.name)}: SERVING\n")


async def test_the_demo_data_is_loaded_once(mesh: RealMesh) -> None:
    await wait_until((mesh.layout.data / "demo.loaded").exists)
    assert sum(line.startswith("demo") for line in mesh.console.lines) == 0


async def test_the_demo_refuses_to_charge_a_real_account(tmp_path: Path) -> None:
    with pytest.raises(DemoFailed, match="real Stripe account"):
        await sell_lesson(Layout(tmp_path, {"STRIPE_SECRET_KEY": "sk_live_1"}))
