"""Each kind of trouble, made on real processes, raises the alert that is meant for it, and no other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
import pytest_asyncio
import yaml

from devkit.keys import signer
from tests.house.conftest import ROOT
from tests.replicas.processes import wait_until
from tests.troubles import quickened
from tests.troubles.quickened import PACE
from tests.troubles.town import FAKETIME, Town, town_of
from tests.troubles.watching import PROMETHEUS, quicken

pytestmark = PROMETHEUS
FULL = bool(os.environ.get("FULL"))
#: How long a trouble may last until its alert fires, and how long an alert may outlive its trouble.
FIRES_SECONDS, ENDS_SECONDS = 60.0, 120.0
#: Most ranges of the rules.
RANGE_SECONDS = 300 / PACE
FREE_TIMES = """query ($tutor: ID!) {
  tutorAvailability(tutorId: $tutor, from: "2030-01-01T00:00:00Z", to: "2030-01-02T00:00:00Z") { start }
}"""
Trouble = Callable[[Town], AbstractAsyncContextManager[None]]


def frozen(name: str) -> Trouble:
    """A program stands still: it keeps its connections, and answers nobody."""

    @contextlib.asynccontextmanager
    async def freeze(town: Town) -> AsyncIterator[None]:
        stopped: list[psutil.Process] = []
        while left := [each for each in town.mesh.processes(name) if each not in stopped]:
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.suspend()
                stopped.append(process)
        try:
            yield
        finally:
            for process in stopped:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    return freeze


@contextlib.asynccontextmanager
async def stalled(town: Town) -> AsyncIterator[None]:
    """A process computes, and does nothing else."""
    town.mesh.processes("learning")[0].send_signal(signal.SIGUSR1)
    yield


@contextlib.asynccontextmanager
async def failing_provider(town: Town) -> AsyncIterator[None]:
    """The provider answers 500 to whoever wants to pay."""
    for method, path in (("POST", "/v1/payment_intents"), ("GET", "/v1/payment_intents/search")):
        await town.acting.sandbox("POST", "faults", method=method, path=path, fault="error_before", times=1000)
    buyers = [asyncio.create_task(town.acting.book(town.order())) for _ in range(3)]
    try:
        yield
    finally:
        await town.acting.sandbox("DELETE", "faults")
        await asyncio.gather(*buyers)


@contextlib.asynccontextmanager
async def dropped_webhooks(town: Town) -> AsyncIterator[None]:
    """The provider tells nothing."""
    await town.acting.sandbox("POST", "webhooks", mode="drop")
    await town.acting.pay(str((await town.acting.book_until_answered(town.order()))["paymentIntentId"]))
    try:
        yield
    finally:
        await town.acting.sandbox("POST", "webhooks", mode="normal")


@contextlib.asynccontextmanager
async def full_disk(town: Town) -> AsyncIterator[None]:
    """Somebody has filled PostgreSQL's disk."""
    if town.disk is None:
        pytest.skip("a small disk cannot be mounted here: it needs FULL=1, and root")
    filling = town.disk.parent / "postgres" / "filling"
    try:
        with filling.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 20))
        yield
    finally:
        filling.unlink()


@contextlib.asynccontextmanager
async def dispute(town: Town) -> AsyncIterator[None]:
    """A student's bank takes a payment back: a case waits for a person, who decides it."""
    _, intent = await town.sell()
    await town.acting.sandbox("POST", "disputes", payment_intent=intent)
    yield
    (case,) = await town.parked()
    await town.operate("saga", "resolve", str(case["id"]), "--state", "COMPLETED", "--note", "won", "--yes")


@contextlib.asynccontextmanager
async def refused_refund(town: Town) -> AsyncIterator[None]:
    """The provider fails each refund of a payment of a wrong amount. Then it makes it, because somebody tries again."""
    await town.acting.sandbox("POST", "faults", method="POST", path="/v1/refunds", fault="refund_failed", times=3)
    order = town.order()
    await town.acting.underpay(str((await town.acting.book_until_answered(order))["paymentIntentId"]))
    yield
    (saga,) = await town.parked()
    await town.operate("saga", "retry", str(saga["id"]))
    await town.acting.until_state(order, "REFUNDED")


@contextlib.asynccontextmanager
async def refused_messages(town: Town) -> AsyncIterator[None]:
    """Whoever tells people about their lessons takes no message, until they are given up."""
    town.receiver.status = 503
    await town.sell()
    yield
    town.receiver.status = 200
    await town.operate("notifications", "retry", "--all")


@contextlib.asynccontextmanager
async def clock_ahead(town: Town) -> AsyncIterator[None]:
    """The clock of one process is ahead, though not so far that it refuses tokens."""
    if FAKETIME is None:
        pytest.skip("libfaketime is not there: install Debian's package libfaketime")
    town.mesh.clock.write_text("+3.5")
    try:
        yield
    finally:
        town.mesh.clock.write_text("+0")


@contextlib.asynccontextmanager
async def strange_tokens(town: Town) -> AsyncIterator[None]:
    """A client sends tokens that another mesh has signed."""
    url, token = f"{town.mesh.layout.url('bff')}/graphql", signer(town.mesh.layout.data / "strange").token("student")

    async def send() -> None:
        while True:
            body, headers = {"query": "{ __typename }"}, {"Authorization": f"Bearer {token}"}
            await town.acting.http.post(url, json=body, headers=headers)
            await asyncio.sleep(0.1)

    sending = asyncio.create_task(send())
    yield
    sending.cancel()
    await asyncio.wait([sending])


@contextlib.asynccontextmanager
async def crowd_before_frozen(town: Town) -> AsyncIterator[None]:
    """Many people look for free times while the service that knows them stands still."""

    async def look() -> None:
        while True:
            await town.acting.graphql("student", uuid4(), FREE_TIMES, tutor=str(town.tutor))

    async with frozen("availability")(town):
        looking = [asyncio.create_task(look()) for _ in range(8)]
        yield
    for task in looking:
        task.cancel()
    await asyncio.wait(looking)


@dataclass(frozen=True)
class Case:
    """A trouble, its alert, and the alerts that it necessarily raises besides."""

    make: Trouble
    alert: str
    besides: frozenset[str] = frozenset()


CASES = {
    "a saga parked": Case(dispute, "SagaParked"),
    "dead messages": Case(refused_messages, "DeadLetters"),
    "webhooks dropped": Case(dropped_webhooks, "WebhooksAreLost"),
    "provider down": Case(failing_provider, "ProviderAway"),
    "a service frozen": Case(frozen("session"), "ProcessAway"),
    "provider frozen": Case(frozen("sandbox"), "ProviderAway"),
    "PostgreSQL frozen": Case(frozen("postgres"), "DatabaseAway"),
    "disk full": Case(full_disk, "DatabaseTakesNoWrites"),
    "a refund refused": Case(refused_refund, "RefundGivenUp"),
    "clock skew": Case(clock_ahead, "ClockSkew"),
    "an event loop stands still": Case(stalled, "ProcessStandsStill"),
    "a payment_svc frozen": Case(frozen("payment.1"), "ProcessAway"),
    "the edge frozen": Case(frozen("bff"), "ProcessAway"),
    "strange tokens": Case(strange_tokens, "TokensRefused"),
    # The service that stands still answers no scrape; that people get errors is another alert's, of more weight.
    "many meet a frozen service": Case(crowd_before_frozen, "PeopleGetErrors", frozenset({"ProcessAway"})),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    folder: Path = tmp_path_factory.mktemp("troubles")
    async with town_of(folder) as started:
        yield started
    shutil.rmtree(folder / "prometheus", ignore_errors=True)


@pytest.mark.skipif(not FULL, reason="it takes a minute: FULL=1")
async def test_webhooks_that_come_shortly_after_reconcile_has_looked_raise_nothing(town: Town) -> None:
    """Reconcile looks at a payment that was made this second, and finds it paid. Its webhook comes all the same."""
    began, before = time.monotonic(), await found(town)
    orders = [
        (order, str((await town.acting.book_until_answered(order))["paymentIntentId"])) for order in town.orders(12)
    ]
    await asyncio.sleep(quickened.STALE_SECONDS)  # from now on reconcile asks about them
    await town.acting.sandbox("POST", "webhooks", mode="normal", delay_ms=1500)
    try:
        for order, intent in orders:
            await town.acting.pay(intent)
            await town.acting.until_state(order, "COMPLETED")
        await wait_until(lambda: found(town), lambda now: now > before)
        await asyncio.sleep(RANGE_SECONDS)  # the alert would fire within this time
    finally:
        await town.acting.sandbox("POST", "webhooks", mode="normal", delay_ms=0)
    assert await town.alerts.fired_within(time.monotonic() - began) == set()


async def found(town: Town) -> float:
    """How many payments reconcile has found, as Prometheus knows."""
    return await town.alerts.number('sum(tutormesh_reconcile_found_total{stage="waiting"})')


@pytest.mark.skipif(not FULL, reason="each trouble alone takes minutes: FULL=1")
@pytest.mark.parametrize("name", CASES if FULL else [""])
async def test_a_trouble_raises_its_alert_and_no_other(town: Town, name: str) -> None:
    case, before, began = CASES[name], await town.alerts.firing(), time.monotonic()
    assert case.alert not in before, await town.alerts.told()
    async with case.make(town):
        await wait_until(town.alerts.firing, lambda firing: case.alert in firing, FIRES_SECONDS)
        fired_after = time.monotonic() - began
    seconds = RANGE_SECONDS if "increase(" in RULES[case.alert]["expr"] else 0.0
    # An alert on what has happened within a range ends with that range.
    await wait_until(lambda: town.alerts.fired_within(seconds + 1), lambda firing: firing <= before, ENDS_SECONDS)
    fired = await town.alerts.fired_within(time.monotonic() - began) - before
    print(
        f"{name}: {fired_after:.1f} s until {case.alert}, {time.monotonic() - began:.1f} s in all; fired: {sorted(fired)}"
    )
    assert {case.alert} <= fired <= {case.alert} | case.besides, await town.alerts.told()


@pytest.mark.skipif(FULL, reason="FULL=1 makes each of them alone")
async def test_troubles_raise_their_alerts_and_no_others(town: Town) -> None:
    """Three troubles at once, in an order in which none is in the way of the next; then a fourth."""
    began, cases = time.monotonic(), list(CASES.values())[:4]
    *first, last = ({case.alert} for case in cases)
    async with contextlib.AsyncExitStack() as troubles:
        for case in cases[:3]:
            await troubles.enter_async_context(case.make(town))
        await wait_until(town.alerts.firing, set().union(*first).issubset, FIRES_SECONDS)
    lasting = {"WebhooksAreLost"}  # it is about what has happened within a range, and ends with that
    await wait_until(lambda: town.alerts.fired_within(1), lasting.issuperset, ENDS_SECONDS)
    async with cases[3].make(town):
        await wait_until(town.alerts.firing, last.issubset, FIRES_SECONDS)
    fired = await town.alerts.fired_within(time.monotonic() - began)
    assert fired == last.union(*first), await town.alerts.told()


RULES = {
    rule["alert"]: rule for rule in yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"][0]["rules"]
}


def test_quickened_rules_differ_in_nothing_but_times() -> None:
    rules = {"groups": [{"rules": list(RULES.values())}]}
    quick = quicken(rules, pace=60)["groups"][0]["rules"]
    assert [rule["alert"] for rule in quick] == list(RULES)
    for rule in quick:
        slow = RULES[rule["alert"]]
        assert (
            rule.get("for")
            == {None: None, "30s": "500ms", "1m": "1000ms", "2m": "2000ms", "5m": "5000ms"}[slow.get("for")]
        )
        assert rule["expr"].split("[")[0] == slow["expr"].split("[")[0]
        assert {**rule, "expr": "", "for": ""} == {**slow, "expr": "", "for": ""}
