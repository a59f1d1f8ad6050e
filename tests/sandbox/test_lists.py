"""Lists, cursors and search."""

from __future__ import annotations

import contextlib

import pytest
import stripe

from devkit.sandbox.resources import shapes
from devkit.sandbox.resources.calls import Call
from devkit.sandbox.resources.lists import listing
from devkit.sandbox.store import Store
from devkit.sandbox.webhooks.outbox import Outbox
from devkit.sandbox.wire.params import Params

CARD = {"amount": 5000, "currency": "usd", "payment_method_types": ["card"]}


@pytest.fixture
async def five(sandbox, client) -> list[str]:
    """Five intents of 5000 to 5004, oldest first."""
    made = []
    for n in range(5):
        params = {**CARD, "amount": 5000 + n, "metadata": {"sagaId": f"s-{n}", "it's": 'q"x', "even": str(n % 2 == 0)}}
        made.append((await client.v1.payment_intents.create_async(params=params)).id)
    return made


async def test_lists_are_newest_first_and_paged(client, five):
    newest = five[::-1]
    page = await client.v1.payment_intents.list_async(params={"limit": 2})
    assert ([intent.id for intent in page.data], page.has_more) == (newest[:2], True)
    assert page.url == "/v1/payment_intents"
    after = await client.v1.payment_intents.list_async(params={"limit": 3, "starting_after": newest[1]})
    assert ([intent.id for intent in after.data], after.has_more) == (newest[2:], False)
    before = await client.v1.payment_intents.list_async(params={"limit": 2, "ending_before": newest[3]})
    assert ([intent.id for intent in before.data], before.has_more) == (newest[1:3], True)
    every = [intent.id async for intent in page.auto_paging_iter()]
    assert every == newest


async def test_lists_can_be_filtered_by_time(client, five):
    created = (await client.v1.payment_intents.retrieve_async(five[2])).created
    for wanted, found in (
        ({"gte": created - 60, "lte": created + 60}, 5),
        ({"gt": created + 60}, 0),
        ({"lt": created - 60}, 0),
    ):
        page = await client.v1.payment_intents.list_async(params={"created": wanted})
        assert len(page.data) == found
    exactly = await client.v1.payment_intents.list_async(params={"created": created})
    assert five[2] in [intent.id for intent in exactly.data]


@pytest.mark.parametrize(
    ("params", "bound"),
    [
        ({"created": {"gte": "1"}}, "kind=? AND created>?"),
        ({"created": {"gte": "1", "lte": "2"}, "limit": "100"}, "kind=? AND created>? AND created<?"),
        ({"starting_after": "pi_1"}, "kind=? AND created<?"),
    ],
)
def test_a_list_reads_nothing_but_what_it_may_answer(params, bound):
    """Payment lists the intents of the last two hours each minute. That must not read all the older ones."""
    statements: list[str] = []
    with contextlib.closing(Store(":memory:")) as store:
        store.put({**shapes.payment_intent(5000, "usd", 1), "id": "pi_1"})
        store._connection.set_trace_callback(statements.append)
        listing("payment_intent", "/v1/payment_intents")(
            Call(store, Outbox(store, has_url=False, enabled=frozenset()), Params(params))
        )
        store._connection.set_trace_callback(None)
        plan = store.execute(f"explain query plan {statements[-1]}").fetchall()
    assert [step[3] for step in plan] == [f"SEARCH object USING INDEX object_created ({bound})"]


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"starting_after": "pi_none"}, "starting_after"),
        ({"starting_after": "pi_a", "ending_before": "pi_b"}, "ending_before"),
        ({"created": "yesterday"}, "created"),
        ({"created": {"since": 1}}, "created"),
        ({"created": {"gt": "x"}}, "created[gt]"),
        ({"color": "red"}, "color"),
    ],
)
async def test_bad_list_parameters_are_refused_by_name(sandbox, client, params, param):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.payment_intents.list_async(params=params)
    assert (refused.value.http_status, refused.value.param) == (400, param)


@pytest.mark.parametrize(
    ("query", "amounts"),
    [
        ("metadata['sagaId']:'s-3'", [5003]),
        ('metadata["sagaId"]:"s-3"', [5003]),
        (r"metadata['it\'s']:'q\"x' AND amount<=5001", [5001, 5000]),
        ("metadata['sagaId']:'s-1' OR metadata['sagaId']:'s-4'", [5004, 5001]),
        ("metadata['even']:'True' amount>5000", [5004, 5002]),
        ("-metadata['even']:'True' AND status:'requires_payment_method'", [5003, 5001]),
        ("metadata['absent']:null AND currency:'usd' AND created>0", [5004, 5003, 5002, 5001, 5000]),
        ("metadata['absent']:'x'", []),
        ("status:'succeeded'", []),
    ],
)
async def test_search_finds_by_metadata_and_fields(client, five, query, amounts):
    found = await client.v1.payment_intents.search_async(params={"query": query})
    assert [intent.amount for intent in found.data] == amounts
    assert (found.object, found.has_more) == ("search_result", False)


async def test_search_is_paged(client, five):
    page = await client.v1.payment_intents.search_async(params={"query": "currency:'usd'", "limit": 2})
    assert page.has_more
    assert [intent.id async for intent in page.auto_paging_iter()] == five[::-1]


@pytest.mark.parametrize(
    "query",
    ["", "metadata['sagaId']", "sagaId:'x'", "amount:'x'", "status>'a'", "metadata['a']>'b'", "amount>1 AND", "(",
     "amount>1 AND amount<9 OR amount>20"],
)  # fmt: skip
async def test_a_query_that_cannot_be_parsed_is_refused(sandbox, client, query):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.payment_intents.search_async(params={"query": query})
    assert (refused.value.http_status, refused.value.param) == (400, "query")


async def test_charges_are_listed_by_intent(sandbox, client, pay):
    with pytest.raises(stripe.CardError) as declined:
        await pay(card="pm_card_chargeDeclined")
    intent = declined.value.error.payment_intent.id
    await pay()
    await client.v1.payment_intents.confirm_async(intent, params={"payment_method": "pm_card_visa"})
    charges = await client.v1.charges.list_async(params={"payment_intent": intent})
    assert [charge.status for charge in charges.data] == ["succeeded", "failed"]


async def test_events_are_listed_by_type_and_carry_the_object_as_it_was(sandbox, client, pay):
    intent = await pay(metadata={"sagaId": "s-1"})
    await client.v1.payment_intents.update_async(intent.id, params={"metadata": {"sagaId": "changed"}})
    every = await client.v1.events.list_async()
    assert [event.type for event in every.data] == [
        "payment_intent.succeeded",
        "charge.succeeded",
        "payment_intent.created",
    ]
    created = await client.v1.events.retrieve_async(every.data[2].id)
    assert (created.data.object.status, created.data.object.metadata.sagaId) == ("requires_payment_method", "s-1")
    assert (created.livemode, created.api_version) == (False, stripe.api_version)
    assert created.request.id.startswith("req_")
    for params, count in (
        ({"type": "charge.succeeded"}, 1),
        ({"type": "payment_intent.*"}, 2),
        ({"types": ["charge.succeeded", "payment_intent.created"]}, 2),
        ({"type": "payment_intent"}, 0),
        ({"created": {"gte": created.created}}, 3),
    ):
        assert len((await client.v1.events.list_async(params=params)).data) == count, params
