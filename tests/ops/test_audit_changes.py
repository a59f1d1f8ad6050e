"""An audit reads what has changed since the last one, and finds there what an audit of everything finds."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from ops.audit import collect
from ops.audit.invariants import wakeups
from tests.learners import active
from tests.ops.conftest import Tutormesh
from tests.people import Booked, People, lesson_time, wait_until

pytestmark = pytest.mark.usefixtures("short_pauses")

#: Changes nothing, and tells the world that this lesson is not expected to be whole.
TAMPERED = "update saga set error = error where id = $1"
Spoil = Callable[[People, Booked], Awaitable[str]]


async def sell(people: People) -> Booked:
    booked = await people.booked(await people.tutor(), lesson_time())
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    await people.at_rest()
    return booked


async def look(tutormesh: Tutormesh, *words: str) -> dict[str, Any]:
    answer = await tutormesh("audit", "--json", *words)
    assert answer.exit_code in (0, 1), answer.output
    found: dict[str, Any] = json.loads(answer.output)
    return found


async def settle(people: People, tutormesh: Tutormesh) -> None:
    """Audit until only open sagas are looked at again. Transactions of others on the server may hold it up."""
    people.world.provider.execute("update object set created = created - 3600 where kind = 'event'")

    def is_settled(found: dict[str, Any]) -> bool:
        return found["clean"] and not any(number for kind, number in found["counted"].items() if kind != "sagas")

    await wait_until(lambda: look(tutormesh), is_settled)


def breaches(found: dict[str, Any]) -> set[tuple[str, tuple[str, ...], str]]:
    return {(each["invariant"], tuple(each["ids"]), each["what"]) for each in found["breaches"]}


async def overlap(people: People, lesson: Booked) -> str:
    """A block over the lesson, past the constraint that forbids it."""
    sql, block = people.world.sql, uuid4()
    await sql("availability", "alter table claim drop constraint claim_no_overlap")
    await sql(
        "availability",
        "insert into claim (id, calendar_id, role, state, during) select $2, calendar_id, 'BLOCK', 'BLOCKED', during"
        " from claim where saga_id = $1 and role = 'TUTOR'",
        UUID(lesson.saga),
        block,
    )
    return "I1"


async def miscount(people: People, lesson: Booked) -> str:
    seat = await active(people)
    await people.world.sql(
        "learning", "update course set seats_taken = seats_taken + 1 where id = $1", UUID(seat.course.id)
    )
    return "I1"


async def refund_at_stripe(people: People, lesson: Booked) -> str:
    """All of it goes back, and no webhook tells us."""
    await people.webhooks("drop")
    await people.refund_by_hand(lesson.intent, 5000)
    return "I2"


async def owe_too_much(people: People, lesson: Booked) -> str:
    await people.world.sql(
        "payment",
        "insert into refund (id, payment_id, saga_id, payment_intent_id, amount_minor, currency, status, reason)"
        " select $2, id, saga_id, payment_intent_id, 2 * amount_minor, currency, 'PENDING', 'x' from payment"
        " where saga_id = $1",
        UUID(lesson.saga),
        uuid4(),
    )
    return "I3"


async def open_another_intent(people: People, lesson: Booked) -> str:
    await people.webhooks("drop")
    metadata = {"metadata[sagaId]": lesson.saga, "metadata[paymentId]": lesson.payment}
    await people.create_intent(amount=5000, currency="usd", **metadata)
    return "I4"


async def refund_twice(people: People, lesson: Booked) -> str:
    for _ in range(2):
        await people.world.sql(
            "payment",
            "insert into refund (id, payment_id, saga_id, payment_intent_id, amount_minor, currency, status, reason)"
            " select $2, id, saga_id, payment_intent_id, 1, currency, 'SUCCEEDED', 'x' from payment where saga_id = $1",
            UUID(lesson.saga),
            uuid4(),
        )
    return "I6"


async def lose_the_slot(people: People, lesson: Booked) -> str:
    await people.world.sql("availability", "delete from claim where saga_id = $1", UUID(lesson.saga))
    return "I7"


async def lose_the_session(people: People, lesson: Booked) -> str:
    await people.world.sql("session", "delete from session where id = $1", UUID(lesson.session))
    return "I7"


async def rename_the_student(people: People, lesson: Booked) -> str:
    await people.world.sql("booking", "alter table booking disable trigger booking_legal_move")
    await people.world.sql("booking", "update booking set student_id = $2 where id = $1", UUID(lesson.booking), uuid4())
    await people.world.sql("booking", "alter table booking enable trigger booking_legal_move")
    return "I7"


async def receive_less(people: People, lesson: Booked) -> str:
    await people.world.sql(
        "payment", "update payment set received_minor = received_minor - 1 where saga_id = $1", UUID(lesson.saga)
    )
    return "I8"


SPOILS = [
    miscount,
    refund_at_stripe,
    owe_too_much,
    open_another_intent,
    refund_twice,
    lose_the_slot,
    lose_the_session,
    rename_the_student,
    receive_less,
    overlap,
]


async def test_what_is_settled_and_unchanged_is_not_read_again(people: People, tutormesh: Tutormesh) -> None:
    lesson = await sell(people)
    first = await look(tutormesh)
    assert first["since"] is None or first["counted"]["sagas"] > 0
    await settle(people, tutormesh)
    again = await sell(people)
    assert (await look(tutormesh))["counted"] == {
        "sagas": 1, "claims": 2, "bookings": 1, "sessions": 1, "courses": 0, "enrollments": 0, "payments": 1,
        "intents": 1, "refunds": 0,
    }  # fmt: skip
    assert (await look(tutormesh, "--full"))["counted"]["sagas"] >= 2
    assert lesson.saga != again.saga


async def test_a_transaction_that_commits_after_an_audit_is_seen_by_the_next(
    people: People, tutormesh: Tutormesh
) -> None:
    lesson = await sell(people)
    await settle(people, tutormesh)
    late = await asyncpg.connect(people.world.urls["booking_svc"].replace("+asyncpg", ""))
    under_way = late.transaction()
    await under_way.start()
    await late.execute("set local session_replication_role = replica")  # no move of a status is illegal now
    await late.execute("update booking set status = 'EXPIRED' where id = $1", UUID(lesson.booking))
    await sell(people)
    assert (await look(tutormesh))["clean"]
    assert (await look(tutormesh))["clean"]
    await under_way.commit()
    found = await look(tutormesh)
    assert [each["ids"] for each in found["breaches"]] == [[lesson.saga, lesson.booking]]
    await late.execute("set session_replication_role = replica")
    await late.execute("update booking set status = 'CONFIRMED' where id = $1", UUID(lesson.booking))
    await late.close()
    assert (await look(tutormesh))["clean"]


async def test_a_saga_that_is_forgotten_without_a_change_is_found(
    people: People, tutormesh: Tutormesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = await people.booked(await people.tutor(), lesson_time())
    await settle(people, tutormesh)
    monkeypatch.setattr(wakeups, "OVERDUE", -timedelta(days=1))
    found = await look(tutormesh)
    assert ("I5", (waiting.saga,)) in {(each["invariant"], tuple(each["ids"])) for each in found["breaches"]}
    monkeypatch.undo()
    assert (await look(tutormesh))["clean"]


async def test_a_lost_mark_has_everything_read(people: People, tutormesh: Tutormesh) -> None:
    await settle(people, tutormesh)
    marked = "select mark from audit_mark"
    (row,) = await people.world.sql("payment", marked)
    kept = json.loads(row["mark"])
    for lost in ({**kept, "begins": {**kept["begins"], "session": "0:1"}}, {**kept, "begins": {}}, "nonsense"):
        await people.world.sql("payment", "update audit_mark set mark = $1", json.dumps(lost))
        found = await look(tutormesh)
        assert (found["since"], found["counted"]["sagas"] > 0) == (None, True)
        assert (await look(tutormesh))["since"] is not None


async def test_everything_is_read_when_that_was_long_ago(people: People, tutormesh: Tutormesh) -> None:
    await look(tutormesh, "--full")
    assert (await look(tutormesh, "--full-after", "24"))["since"] is not None
    (row,) = await people.world.sql("payment", "select mark from audit_mark")
    old = {**json.loads(row["mark"]), "full_at": time.time() - 25 * 3600}
    await people.world.sql("payment", "update audit_mark set mark = $1", json.dumps(old))
    assert (await look(tutormesh))["since"] is not None
    assert (await look(tutormesh, "--full-after", "24"))["since"] is None
    assert (await look(tutormesh, "--full-after", "24"))["since"] is not None


async def test_what_is_spoiled_is_found_among_the_changes_as_in_everything(
    people: People, tutormesh: Tutormesh
) -> None:
    lessons = [await sell(people) for _ in SPOILS]
    await settle(people, tutormesh)
    wanted = set()
    for spoil, lesson in zip(SPOILS, lessons, strict=True):
        wanted.add((await spoil(people, lesson), spoil.__name__))
        await people.world.sql("payment", TAMPERED, UUID(lesson.saga))
    changes = await look(tutormesh)
    assert {invariant for invariant, _ in wanted} == {invariant for invariant, *_ in breaches(changes)}
    everything = await look(tutormesh, "--full")
    assert breaches(changes) == breaches(everything) != set()
    assert (changes["since"] is None, everything["since"]) == (False, None)
    assert breaches(await look(tutormesh)) == breaches(changes)  # they are looked at until they are gone


async def test_a_page_that_the_provider_fails_once_is_asked_for_again(
    people: People, tutormesh: Tutormesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "PAUSES", (0.01, 0.01))
    await people.fault("/v1/payment_intents", "error_before", times=2, method="GET")
    assert (await look(tutormesh, "--full"))["counted"]["intents"] > 0
    await people.fault("/v1/payment_intents", "error_before", times=3, method="GET")
    answer = await tutormesh("audit", "--full")
    assert (answer.exit_code, "PAYMENT_PROVIDER_UNAVAILABLE" in answer.output) == (2, True)
