"""What Stripe's answers may hold: whatever it is, it becomes a value that our schema can keep, or a refusal to read it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from dataclasses import fields, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from mesh.money import Money
from payment_svc.domain import Dispute, Intent, ProviderEvent, ProviderRefund, Refund, RefundStatus, Saga
from payment_svc.providers.intents import Intents
from payment_svc.providers.port import EventIgnored, OutcomeUnknown, ProviderRefused, Unreadable
from payment_svc.providers.refunds import Refunds
from payment_svc.providers.registry import Providers
from payment_svc.providers.stripe import StripeProvider
from payment_svc.providers.stripe_objects import read_charge, read_dispute, read_event, read_intent, read_refund
from payment_svc.store import RefundStore

SAGA = UUID("7d6a8a1e-0000-4000-8000-000000000001")
INTENT: dict[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "status": "succeeded",
    "client_secret": "pi_1_secret_x",
    "amount": 5000,
    "amount_received": 5000,
    "currency": "usd",
    "metadata": {"sagaId": str(SAGA), "paymentId": str(SAGA)},
    "last_payment_error": {"charge": "ch_1"},
}
REFUND: dict[str, Any] = {
    "id": "re_1",
    "object": "refund",
    "status": "succeeded",
    "amount": 5000,
    "currency": "usd",
    "payment_intent": "pi_1",
    "metadata": {"refundId": str(SAGA)},
}
DISPUTE: dict[str, Any] = {"id": "dp_1", "object": "dispute", "status": "lost"}
CHARGE: dict[str, Any] = {"id": "ch_1", "object": "charge", "status": "failed"}
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "type": "payment_intent.succeeded",
    "livemode": False,
    "data": {"object": INTENT},
}
MISSING = object()
HOSTILE = [
    MISSING,
    None,
    "",
    " ",
    "x" * 256,
    "a\0b",
    "\ud800",
    "pi 1",
    "5000",
    "zloty",
    0,
    7,
    -1,
    10**12,
    2**63,
    10**400,
    1.5,
    5000.0,
    float("nan"),
    float("inf"),
    True,
    [],
    ["pi_1"],
    {},
    {"id": 7},
    {"charge": 7},
    {"charge": {"id": None}},
    {"sagaId": 7, "paymentId": [], "refundId": {}},
]
READERS: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "intent": (INTENT, read_intent),
    "refund": (REFUND, lambda item: read_refund(item, "pi_1")),
    "dispute": (DISPUTE, read_dispute),
    "charge": (CHARGE, read_charge),
    "event": (EVENT, read_event),
}


def can_be_kept(value: Any) -> bool:
    """True for what every column of ours takes: printable text that an index can hold, and amounts of money."""
    match value:
        case Intent() | ProviderRefund() | Dispute() | ProviderEvent():
            parts = [getattr(value, field.name) for field in fields(value) if field.name != "unreadable"]
            return all(map(can_be_kept, parts)) and _amounts_hold(value)
        case str():
            return re.fullmatch(r"[!-~]{0,255}", value) is not None
        case tuple():
            return all(map(can_be_kept, value))
        case bool() | UUID() | None:
            return True
    return type(value) is int and 0 <= value < 2**63


def _amounts_hold(value: Any) -> bool:
    if isinstance(value, Intent):
        assert Money(value.amount, value.currency) and Money(value.received, value.currency) is not None
        return value.received > 0 or not value.succeeded
    return not isinstance(value, ProviderRefund) or Money(value.amount, value.currency).amount_minor > 0


def paths_of(item: dict[str, Any], before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every field of an object, at every depth."""
    found: list[tuple[str, ...]] = []
    for name, value in item.items():
        found += [(*before, name), *(paths_of(value, (*before, name)) if isinstance(value, dict) else [])]
    return found


def changed(item: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy with another value at this path, or with none."""
    copy = deepcopy(item)
    within = copy
    for name in path[:-1]:
        within = within[name]
    if value is MISSING:
        del within[path[-1]]
    else:
        within[path[-1]] = value
    return copy


CASES = [(kind, path) for kind, (item, _) in READERS.items() for path in paths_of(item)]


@pytest.mark.parametrize(
    ("kind", "path"), CASES, ids=lambda value: value if isinstance(value, str) else ".".join(value)
)
def test_55_whatever_a_field_holds_is_kept_or_is_unreadable(kind: str, path: tuple[str, ...]) -> None:
    item, read = READERS[kind]
    for hostile in HOSTILE:
        with contextlib.suppress(Unreadable, EventIgnored):
            assert can_be_kept(read(changed(item, path, hostile))), hostile


@pytest.mark.parametrize("kind", READERS)
def test_55_what_is_no_object_is_unreadable(kind: str) -> None:
    _, read = READERS[kind]
    for hostile in (None, 7, "pi_1", [], [{}], True, {}):
        with pytest.raises((Unreadable, EventIgnored)):
            read(hostile)


@pytest.mark.parametrize("kind", READERS)
def test_a_whole_object_is_read(kind: str) -> None:
    item, read = READERS[kind]
    assert can_be_kept(read(item))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"amount_received": None}, "amount_received is missing"),
        ({"amount_received": 0}, "amount_received is 0, and it succeeded"),
        ({"amount_received": -1}, "amount_received or currency is out of range"),
        ({"amount_received": "5000"}, "amount_received is no whole number"),
        ({"amount_received": True}, "amount_received is no whole number"),
        ({"currency": "zloty"}, "amount or currency is out of range"),
        ({"id": None}, "id is missing"),
        ({"status": 7}, "status is no word"),
        ({"metadata": []}, "metadata is no JSON object"),
    ],
)
def test_an_unreadable_intent_says_which_field_and_not_its_value(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read_intent(INTENT | change)
    assert refused.value.message == f"the payment_intent's {words}"


@pytest.mark.parametrize("status", ["requires_payment_method", "canceled"])
def test_an_intent_that_has_not_succeeded_may_lack_what_it_received(status: str) -> None:
    unpaid = {name: value for name, value in INTENT.items() if name != "amount_received"} | {"status": status}
    assert read_intent(unpaid).received == 0


def test_an_expanded_object_stands_for_its_id() -> None:
    event = changed(EVENT, ("data", "object"), REFUND | {"payment_intent": INTENT})
    assert read_event(event).intent_id == "pi_1"
    assert read_refund(REFUND | {"payment_intent": INTENT}, "pi_1").id == "re_1"
    assert read_intent(INTENT | {"last_payment_error": {"charge": CHARGE}}).failed_charge == "ch_1"


def test_a_refund_of_another_intent_is_not_taken_for_this_ones() -> None:
    with pytest.raises(Unreadable):
        read_refund(REFUND | {"payment_intent": "pi_2"}, "pi_1")


# The same by the wire: a Stripe that answers whatever it is told to.


class Answering:
    """An HTTP server that gives each request the next answer, and the last one for ever: (status, body)."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers, self.asked = list(answers), 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.I)
        await reader.readexactly(int(length[1]) if length else 0)
        status, body = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def stripe_that_answers(*answers: tuple[int, str]) -> AsyncIterator[tuple[StripeProvider, Answering]]:
    answering = Answering(*answers)
    server = await asyncio.start_server(answering.serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    stripe = StripeProvider("sk_test_x", "whsec_x", api_base=base, timeout=5)
    try:
        yield stripe, answering
    finally:
        await stripe.close()
        server.close()


SAGA_ROW = cast(
    Saga,
    SimpleNamespace(
        id=SAGA, payment_id=SAGA, payment_context="SESSION_BOOKING", context_id=uuid4(), created_at=datetime.now(UTC)
    ),
)
ASKED = Refund(uuid4(), uuid4(), SAGA, "pi_1", Money(5000, "USD"), RefundStatus.PENDING, "cancelled", "re_1")


@pytest.mark.parametrize("answer", [{"amount": 100}, {"currency": "eur"}, {"metadata": {}}, {"metadata": None}])
async def test_55_a_refund_that_is_answered_as_another_one_is_not_kept(answer: dict[str, Any]) -> None:
    asked = replace(ASKED, provider_refund_id=None, is_new=True)
    told = REFUND | {"metadata": {"refundId": str(asked.id)}}
    async with stripe_that_answers((200, json.dumps(told | answer)), (200, json.dumps(told))) as (stripe, _):
        assert not (await stripe.create_refund(asked)).carries_out(asked)
        assert (await stripe.create_refund(asked)).carries_out(asked)
    async with stripe_that_answers((200, json.dumps(told | answer))) as (stripe, _):
        providers = cast(Providers, SimpleNamespace(create_refund=stripe.create_refund))
        with pytest.raises(Unreadable):
            await Refunds(cast(RefundStore, None), providers).make_or_check(asked)


async def _all_of(listing: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in listing]


CALLS: dict[str, Callable[[StripeProvider], Any]] = {
    "create_intent": lambda stripe: stripe.create_intent(SAGA_ROW, Money(5000, "USD")),
    "find_intent": lambda stripe: stripe.find_intent(SAGA_ROW),
    "recent_intents": lambda stripe: stripe.recent_intents(60, ""),
    "list_intents": lambda stripe: stripe.list_intents(None, 10),
    "recent_events": lambda stripe: stripe.recent_events(frozenset({"refund.updated"}), 60, ""),
    "list_intents_of_events": lambda stripe: stripe.list_intents_of_events(0, None),
    "retrieve_intent": lambda stripe: stripe.retrieve_intent("pi_1"),
    "cancel_intent": lambda stripe: stripe.cancel_intent("pi_1"),
    "list_declined_charges": lambda stripe: stripe.list_declined_charges("pi_1"),
    "create_refund": lambda stripe: stripe.create_refund(ASKED),
    "find_refund": lambda stripe: stripe.find_refund(ASKED),
    "list_disputes": lambda stripe: stripe.list_disputes("pi_1"),
    "list_refunds": lambda stripe: stripe.list_refunds("pi_1"),
}
NONSENSE = {
    "nothing": (200, ""),
    "null": (200, "null"),
    "a number": (200, "7"),
    "a list": (200, "[7]"),
    "an empty object": (200, "{}"),
    "half an answer": (200, '{"client_secret": "pi_1_secret_x", "id'),
    "20,000 brackets": (200, "[" * 20_000 + "]" * 20_000),
    "20,000 brackets within": (200, '{"id": "pi_1", "metadata": ' + "[" * 20_000 + "]" * 20_000 + "}"),
    "900 objects": (200, '{"a":' * 900 + "7" + "}" * 900),
    "an endless number": (200, '{"id": "pi_1", "amount": ' + "9" * 5000 + "}"),
    "an error of text": (400, '{"error": "no"}'),
    "an error of nothing": (400, '{"error": null}'),
    "an error with odd words": (400, '{"error": {"code": 7, "message": ["\\u0000"], "type": {}}}'),
    "a refusal with odd words": (402, '{"error": {"code": [], "message": {"a": "\\u0000"}, "type": "card_error"}}'),
    "no error": (500, "client_secret pi_1_secret_x"),
    "a list without an end of items that are none": (200, '{"data": [7], "has_more": true}'),
    "a list whose end nobody can find": (200, '{"data": [{"id": 7}], "has_more": true}'),
    "a list that is none": (200, '{"data": {"0": 7}, "has_more": false}'),
    "a list that cannot say": (200, '{"data": [], "has_more": "no"}'),
}


@pytest.mark.parametrize("call", CALLS)
async def test_55_whatever_stripe_answers_is_a_refusal_that_callers_know(call: str) -> None:
    async with stripe_that_answers((200, "")) as (stripe, answering):
        for name, answer in NONSENSE.items():
            answering.answers = [answer]
            with pytest.raises((OutcomeUnknown, ProviderRefused)) as refused:
                await CALLS[call](stripe)
            told = f"{refused.value} {refused.value.__cause__}"
            assert "secret_x" not in told and "\0" not in told, name


@pytest.mark.parametrize("call", ["recent_intents", "find_intent", "list_intents", "recent_events"])
async def test_55_an_empty_page_before_others_is_not_taken_for_the_last(call: str) -> None:
    async with stripe_that_answers((200, '{"data": [], "has_more": true}')) as (stripe, _):
        with pytest.raises(Unreadable):
            await CALLS[call](stripe)


async def test_55_a_list_whose_pages_have_no_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payment_svc.providers.registry.MOST_PAGES", 5)
    lists: list[tuple[Any, Callable[[StripeProvider], Any]]] = [
        (INTENT, lambda stripe: _all_of(Providers([stripe]).recent_intents(60))),
        (EVENT, lambda stripe: _all_of(Providers([stripe]).recent_events(frozenset({"refund.updated"}), 60))),
    ]
    for item, ask in lists:
        page = json.dumps({"data": [item], "has_more": True})
        async with stripe_that_answers((200, page)) as (stripe, answering):
            with pytest.raises(Unreadable):
                await ask(stripe)
            assert answering.asked == 5


async def test_55_another_intent_than_the_one_asked_for_is_not_believed() -> None:
    async with stripe_that_answers((200, json.dumps(INTENT | {"id": "pi_2"}))) as (stripe, _):
        for call in ("retrieve_intent", "cancel_intent"):
            with pytest.raises(Unreadable):
                await CALLS[call](stripe)


async def test_55_an_unreadable_intent_of_somebody_else_hides_no_other() -> None:
    foreign = INTENT | {"id": "pi_0", "currency": "xbt", "metadata": {}}
    page = json.dumps({"data": [foreign, 7, INTENT], "has_more": False})
    async with stripe_that_answers((200, page)) as (stripe, _):
        with capture_logs() as lines:
            found = await stripe.find_intent(SAGA_ROW)
            listed, more = await stripe.list_intents(None, 10)
    assert found is not None and found.id == "pi_1"
    assert ([intent.id for intent in listed], more) == (["pi_1"], "")
    assert [line["event"] for line in lines] == ["intent_unreadable"] * 4


@pytest.mark.parametrize(
    ("payment", "is_ours"), [(str(SAGA), True), (None, True), ("", True), (str(UUID(int=1)), False)]
)
async def test_55_an_intent_of_another_payment_that_names_our_saga_is_not_taken_for_ours(
    payment: str | None, is_ours: bool
) -> None:
    named = INTENT | {"metadata": {"sagaId": str(SAGA), "paymentId": payment}}
    async with stripe_that_answers((200, json.dumps({"data": [named], "has_more": False}))) as (stripe, _):
        assert (await stripe.find_intent(SAGA_ROW) is not None) is is_ours


async def test_55_the_sagas_own_unreadable_intent_is_not_taken_for_none() -> None:
    """Else a second one would be made."""
    page = json.dumps({"data": [INTENT | {"amount": None}], "has_more": False})
    async with stripe_that_answers((200, page)) as (stripe, _):
        with pytest.raises(Unreadable):
            await stripe.find_intent(SAGA_ROW)
        assert await stripe.list_intents(None, 10) == ([], "")


async def test_55_a_page_of_unreadable_intents_does_not_end_the_walk() -> None:
    first = json.dumps({"data": [INTENT | {"id": "pi_0", "amount": None}], "has_more": True})
    last = json.dumps({"data": [INTENT], "has_more": False})
    async with stripe_that_answers((200, first), (200, last)) as (stripe, _):
        assert await stripe.list_intents(None, 1) == ([], "pi_0")
        page, more = await Providers([stripe]).list_intents("pi_0", 1)
        assert ([intent.id for intent in page], more) == (["pi_1"], "")


async def test_55_an_intent_whose_creation_is_answered_with_nonsense_is_looked_for() -> None:
    odd, found = (
        (200, '{"id": "pi_1", "client_secret": "pi_1_secret_x"}'),
        json.dumps({"data": [INTENT], "has_more": False}),
    )
    saga = cast(Saga, SimpleNamespace(**vars(SAGA_ROW), is_repeat=False, payment_intent_id=None, purchase=None))
    async with stripe_that_answers(odd, (200, found)) as (stripe, answering):
        providers = cast(Providers, SimpleNamespace(create_intent=stripe.create_intent, find_intent=stripe.find_intent))
        with capture_logs() as lines:
            assert (await Intents(providers).open(saga, Money(5000, "USD"))).id == "pi_1"
        assert answering.asked == 2
    assert "secret_x" not in json.dumps(lines)
