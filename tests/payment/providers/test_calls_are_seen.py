"""Each call of a payment provider is a span and is counted, whoever makes it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mesh.money import Money
from payment_svc.domain import Refund, Saga
from payment_svc.providers.port import OutcomeUnknown, Provider
from payment_svc.providers.registry import Providers
from tests.house.conftest import ROOT
from tests.scraped import own
from tests.traced import open_name, traced

SAGA = cast(Saga, SimpleNamespace(purchase_facts=SimpleNamespace(provider="told")))
REFUND = cast(Refund, SimpleNamespace(payment_intent_id="told_1"))


class Told:
    """A provider that tells in which span it is called. Its lists have two pages, and nothing on them."""

    name, intent_prefix, takes_reports = "told", "told_", False

    def __init__(self) -> None:
        self.called_in: list[str] = []
        self.fails = False

    def __getattr__(self, call: str) -> Callable[..., Awaitable[Any]]:
        async def answer(*asked: Any) -> Any:
            self.called_in.append(str(open_name()))
            if self.fails:
                raise OutcomeUnknown
            return ([], "" if "told_1" in asked else "told_1") if call in PAGED else ""

        return answer


async def read_all(pages: AsyncIterator[Any]) -> None:
    async for _ in pages:
        pass


PAGED = {"recent_intents", "recent_events", "list_intents"}
CALLS: dict[str, Callable[[Providers], Awaitable[Any]]] = {
    "create_intent": lambda providers: providers.create_intent(SAGA, Money(5000, "USD")),
    "find_intent": lambda providers: providers.find_intent(SAGA),
    "retrieve_intent": lambda providers: providers.retrieve_intent("told_1"),
    "cancel_intent": lambda providers: providers.cancel_intent("told_1"),
    "list_declined_charges": lambda providers: providers.list_declined_charges("told_1"),
    "create_refund": lambda providers: providers.create_refund(REFUND),
    "find_refund": lambda providers: providers.find_refund(REFUND),
    "list_refunds": lambda providers: providers.list_refunds("told_1"),
    "list_disputes": lambda providers: providers.list_disputes("told_1"),
    "list_intents": lambda providers: providers.list_intents("", 10),
    "find_intent_of_charge": lambda providers: providers.find_intent_of_charge("ch_1"),
    "list_intents_of_events": lambda providers: providers.list_intents_of_events(0, None),
    "recent_intents": lambda providers: read_all(providers.recent_intents(60)),
    "recent_events": lambda providers: read_all(providers.recent_events(frozenset(), 60)),
}


def test_these_are_all_calls_of_a_provider() -> None:
    functions = {name for name, _ in inspect.getmembers(Provider, inspect.isfunction) if not name.startswith("_")}
    assert functions == CALLS.keys()


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_is_a_span_and_is_counted_by_its_outcome(call: str) -> None:
    provider = Told()
    for outcome in ("ok", "unknown"):
        provider.fails, provider.called_in = outcome == "unknown", []
        before = counted(call, outcome)
        with traced() as seen:
            try:
                await CALLS[call](Providers([cast(Provider, provider)]))
            except OutcomeUnknown:
                assert provider.fails
        made = provider.called_in
        assert made and set(made) == {f"told {call}"}
        assert [span.name for span in seen.all()] == made
        assert counted(call, outcome) == before + len(made)
        assert len(made) == (2 if call.startswith("recent_") and outcome == "ok" else 1)


def counted(call: str, outcome: str) -> float:
    name = "tutormesh_provider_call_duration_seconds_count"
    return own().value(name, provider="told", call=call, outcome=outcome)


def test_nobody_outside_the_adapters_calls_a_provider_past_the_registry() -> None:
    """Only what asks nobody may be used elsewhere: a signature is verified here, and the process closes what it opened."""
    found = set()
    for path in (ROOT / "payment_svc").rglob("*.py"):
        if path.parent.name == "providers":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value).rpartition(".")[2] == "stripe":
                found.add(node.attr)
    assert found == {"verify", "livemode", "close"}
