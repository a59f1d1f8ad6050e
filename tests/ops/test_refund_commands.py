"""`tutormesh saga list | show | retry | resolve` for refunds that wait for a person."""

from __future__ import annotations

import json

import pytest

from tests.ops.conftest import Tutormesh
from tests.payment.faults import ALWAYS, cancel_of, sold
from tests.payment.settling.test_given_up_refunds import cancelled, fail_by_the_bank, until_parked
from tests.people import Booked, People

pytestmark = pytest.mark.usefixtures("short_pauses")
WHY = "REFUND_GIVEN_UP: the provider "


async def refused(people: People) -> tuple[Booked, str, str]:
    """A cancel whose refund is refused while its dispute is open: the lesson, its parked saga, the dispute."""
    booked = await sold(people)
    dispute = await people.dispute(booked.intent)
    await people.cancel(booked)
    cancel = await cancel_of(people, booked)
    await people.until_state(cancel, "PARKED")
    return booked, cancel, dispute


async def failed_later(people: People) -> tuple[Booked, str]:
    """A refund that the bank returned too often: the lesson, and the case about it."""
    booked = await cancelled(people)
    await people.fault("/v1/refunds", "refund_failed", times=ALWAYS)
    await fail_by_the_bank(people, booked.intent)
    case = await until_parked(people, booked.student)
    await people.no_faults()
    return booked, case


async def listed(tutormesh: Tutormesh, *more: str) -> dict[str, str]:
    """What `saga list` says: the error of each saga."""
    answer = await tutormesh("saga", "list", "--json", *more)
    return {row["id"]: row["error"] for row in json.loads(answer.output)}


async def test_both_kinds_are_listed_as_parked_with_the_reason(people: People, tutormesh: Tutormesh) -> None:
    (_, cancel, _), (_, case) = await refused(people), await failed_later(people)
    parked = await listed(tutormesh, "--state", "PARKED")
    assert parked[cancel].startswith(f"{WHY}refuses the refund: charge_disputed")
    assert parked[case] == f"{WHY}has failed 3 refunds of it"
    assert {cancel, case} <= set(await listed(tutormesh, "--open"))
    shown = (await tutormesh("saga", "show", case)).output
    assert "RefundCase" in shown and f"{WHY}has failed 3 refunds of it" in shown and "parked" in shown


async def test_a_retry_says_that_it_is_parked_again_and_ends_once_the_provider_allows_it(
    people: People, tutormesh: Tutormesh
) -> None:
    booked, cancel, dispute = await refused(people)
    again = await tutormesh("saga", "retry", cancel)
    assert (again.exit_code, f"{cancel} is PARKED" in again.output) == (0, True)
    await people.close_dispute(dispute, "won")
    assert f"{cancel} is REFUNDED" in (await tutormesh("saga", "retry", cancel)).output
    assert [refund["amount"] for refund in await people.refunds_of(booked.intent)] == [5000]


async def test_a_retry_of_a_case_gives_the_money_back(people: People, tutormesh: Tutormesh) -> None:
    booked, case = await failed_later(people)
    assert f"{case} is REFUNDED" in (await tutormesh("saga", "retry", case)).output
    assert [row["status"] for row in await people.our_refunds_of(booked.intent)] == ["SUCCEEDED"]
    again = await tutormesh("saga", "retry", case)
    assert (again.exit_code, again.output) == (1, "Error: WRONG_STATE: the saga has ended\n")


@pytest.mark.parametrize("end", ["REFUNDED", "CANCELLED"])
async def test_resolve_closes_both_kinds_and_nobody_asks_again(people: People, tutormesh: Tutormesh, end: str) -> None:
    (_, cancel, dispute), (late, case) = await refused(people), await failed_later(people)
    for saga_id in (cancel, case):
        words = ("saga", "resolve", saga_id, "--state", end, "--note", "paid by bank", "--yes")
        assert (await tutormesh(*words)).exit_code == 0
        assert "paid by bank" in (await tutormesh("saga", "show", saga_id)).output
    await people.close_dispute(dispute, "won")
    assert (await tutormesh("reconcile")).exit_code == 0
    await people.redeliver((await people.event(late.intent, "refund.failed"))["id"])
    await people.at_rest()
    assert not {cancel, case} & set(await listed(tutormesh, "--open"))
    assert await people.our_refunds_of(late.intent) == []
    assert (await tutormesh("audit")).exit_code == 0
