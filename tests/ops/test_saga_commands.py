"""`tutormesh saga` and `reconcile` against a running mesh."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import pytest

from mesh.errors import NotFound
from ops import saga as sagas
from ops.peers import Peers
from ops.reconcile import reconcile_all
from tests.learners import enrolled
from tests.ops.conftest import Tutormesh
from tests.people import People, lesson_time


async def park_saga(people: People) -> str:
    """Pay a saga, park it by SQL, and return its id."""
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    await people.world.sql(
        "payment",
        """update saga set state = 'PARKED', wake_at = null, error = cast($2 as jsonb),
           context = context || '{"parked_from": "AWAITING_PAYMENT"}' where id = $1""",
        UUID(booked.saga_id),
        json.dumps({"reason": "TRY_AGAIN", "message": "no\tsession"}),
    )
    return booked.saga_id


async def test_list_prints_sagas_newest_first(people: People, tutormesh: Tutormesh) -> None:
    tutor = await people.tutor()
    first, second = [await people.book(tutor, lesson_time(hour=hour)) for hour in (8, 12)]
    answer = await tutormesh("saga", "list", "--limit", "2")
    assert answer.exit_code == 0
    title, *rows = answer.output.splitlines()
    assert title.split() == ["ID", "KIND", "STATE", "LESSON", "PRICE", "TRIES", "WAKES", "ERROR"]
    assert [row.split()[:3] for row in rows] == [
        [second.saga_id, "Book", "AWAITING_PAYMENT"],
        [first.saga_id, "Book", "AWAITING_PAYMENT"],
    ]
    assert "$50.00" in rows[0]


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("BookAndPayForSessionSaga", "Book"),
        ("CancelBookingSaga", "Cancel"),
        ("DisputeCase", "Dispute"),
        ("EnrollInCourseSaga", "Enroll"),
        ("strange", "strange"),
        ("", ""),
    ],
)
def test_a_kind_is_shortened_to_its_first_word(kind: str, shown: str) -> None:
    assert sagas.short_kind(kind) == shown


async def test_list_pages_until_it_has_as_many_as_were_asked_for(
    people: People, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    tutor = await people.tutor()
    booked = [(await people.book(tutor, lesson_time(hour=hour))).saga_id for hour in (8, 10, 12, 14)]
    monkeypatch.setattr(sagas, "MAX_PER_PAGE", 2)
    found = await sagas.fetch_sagas(peers, most=3)
    assert [saga.id for saga in found] == booked[:0:-1]
    assert set(booked) <= {saga.id for saga in await sagas.fetch_sagas(peers, most=10_000)}


async def test_list_filters_by_state_and_openness(people: People, peers: Peers, tutormesh: Tutormesh) -> None:
    saga_id = await park_saga(people)
    found = json.loads((await tutormesh("saga", "list", "--state", "parked", "--json")).output)
    assert saga_id in [saga["id"] for saga in found]
    assert {saga["state"] for saga in found} == {"PARKED"}
    assert not any(saga.is_complete for saga in await sagas.fetch_sagas(peers, open_only=True))
    assert (await tutormesh("saga", "list", "--state", "REJECTED")).output == "no sagas\n"


async def test_an_unknown_state_is_refused_in_one_line(tutormesh: Tutormesh, people: People) -> None:
    answer = await tutormesh("saga", "list", "--state", "SAD")
    assert (answer.exit_code, answer.output) == (1, "Error: BAD_USER_INPUT: state: no such state\n")


async def test_show_prints_every_field_and_the_events(people: People, tutormesh: Tutormesh) -> None:
    booked = await people.book(await people.tutor(), lesson_time())
    output = (await tutormesh("saga", "show", booked.saga_id)).output
    for word in (booked.booking_id, booked.session_id, booked.payment_id, booked.payment_intent_id, "$50.00"):
        assert word in output
    assert output.index("started") < output.index("payment_opened")


async def test_show_as_json_has_numbers_and_nulls(people: People, tutormesh: Tutormesh) -> None:
    start = lesson_time()
    booked = await people.book(await people.tutor(), start)
    output = json.loads((await tutormesh("saga", "show", booked.saga_id, "--json")).output)
    assert output["price"] == {"amount_minor": 5000, "currency": "USD"}
    assert output["start_time"] == start.isoformat().replace("+00:00", "Z")
    assert output["error"] is None
    assert [event["event"] for event in output["events"]] == ["started", "payment_opened"]


async def test_the_saga_of_a_course_shows_its_enrollment_and_no_lesson(people: People, tutormesh: Tutormesh) -> None:
    seat = await enrolled(people)
    listed = (await tutormesh("saga", "list", "--limit", "1")).output.splitlines()[1]
    assert listed.split()[:5] == [seat.saga, "Enroll", "AWAITING_PAYMENT", "course", seat.course.id]
    output = json.loads((await tutormesh("saga", "show", seat.saga, "--json")).output)
    assert (output["enrollment_id"], output["course_id"]) == (seat.id, seat.course.id)
    assert [output[name] for name in ("booking_id", "session_id", "start_time", "duration_minutes")] == [None] * 4


@pytest.mark.parametrize("verb", ["show", "retry"])
async def test_an_unknown_saga_is_refused_in_one_line(people: People, tutormesh: Tutormesh, verb: str) -> None:
    answer = await tutormesh("saga", verb, str(uuid4()))
    assert (answer.exit_code, answer.output) == (1, "Error: NOT_FOUND: There is no such thing.\n")
    assert (await tutormesh("saga", verb, "nonsense")).exit_code == 1


async def test_a_refusal_keeps_its_class_in_process(people: People, peers: Peers) -> None:
    with pytest.raises(NotFound):
        await sagas.fetch_saga(peers, str(uuid4()))


async def test_retry_finishes_a_parked_saga(people: People, tutormesh: Tutormesh) -> None:
    saga_id = await park_saga(people)
    answer = await tutormesh("saga", "retry", saga_id)
    assert answer.exit_code == 0
    assert answer.output.startswith(f"{saga_id} is ")
    await people.until_state(saga_id, "COMPLETED")
    again = await tutormesh("saga", "retry", saga_id)
    assert (again.exit_code, again.output) == (1, "Error: WRONG_STATE: the saga has ended\n")


async def test_resolve_asks_before_it_closes(people: People, tutormesh: Tutormesh) -> None:
    saga_id = await park_saga(people)
    words = ("saga", "resolve", saga_id, "--state", "CANCELLED", "--note", "gave the money back by hand")
    refused = await tutormesh(*words, say="n\n")
    assert refused.exit_code == 1
    assert "Aborted!" in refused.output
    assert await people.state(saga_id) == "PARKED"
    assert (await tutormesh(*words, say="y\n")).exit_code == 0
    assert await people.state(saga_id) == "CANCELLED"
    assert "gave the money back by hand" in (await tutormesh("saga", "show", saga_id)).output


async def test_resolve_with_yes_asks_nothing(people: People, tutormesh: Tutormesh) -> None:
    saga_id = await park_saga(people)
    words = ("saga", "resolve", saga_id, "--state", "REFUNDED", "--note", "done", "--yes", "--json")
    assert json.loads((await tutormesh(*words)).output)["state"] == "REFUNDED"
    again = await tutormesh(*words)
    assert (again.exit_code, again.output) == (1, "Error: WRONG_STATE: only a parked saga can be resolved\n")


async def test_text_of_others_cannot_steer_a_terminal(people: People, tutormesh: Tutormesh) -> None:
    saga_id = await park_saga(people)
    assert "TRY_AGAIN: no session" in (await tutormesh("saga", "show", saga_id)).output
    assert "\t" not in (await tutormesh("saga", "list")).output


async def test_reconcile_finds_a_payment_whose_webhook_was_lost(people: People, tutormesh: Tutormesh) -> None:
    await people.webhooks("drop")
    booked = await people.book(await people.tutor(), lesson_time())
    await people.pay(booked.payment_intent_id)
    answer = await tutormesh("reconcile")
    assert answer.exit_code == 0
    assert "1 had news" in answer.output
    await people.until_state(booked.saga_id, "COMPLETED")


async def test_reconcile_counts_for_machines(people: People, peers: Peers, tutormesh: Tutormesh) -> None:
    counts = json.loads((await tutormesh("reconcile", "--json")).output)
    assert set(counts) == set(await reconcile_all(peers)) == {"examined", "moved", "woken", "strays"}
