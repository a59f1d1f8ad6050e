"""`tutormesh notifications` against a running mesh."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from ops import notifications
from ops.peers import Peers
from tests.ops.conftest import Tutormesh
from tests.payment.faults import sold
from tests.people import Booked, People, wait_until

NOBODY_LISTENS = "http://127.0.0.1:9/"


@pytest.fixture(scope="module")
def world_settings() -> dict[str, dict[str, Any]]:
    """Settings under which every message is given up at once."""
    channel = {"notify_webhook_url": NOBODY_LISTENS, "notify_webhook_secret": "x" * 16}
    return {"payment": {**channel, "notify_give_up_hours": 1e-9}}


async def make_dead_letter(people: People) -> tuple[Booked, str]:
    """Sell a lesson whose message cannot be delivered; returns the lesson and the message's id."""
    booked = await sold(people)
    ask = "select id from notification where subject_id = $1 and status = 'DEAD'"
    found = await wait_until(
        lambda: people.world.sql("payment", ask, UUID(booked.booking)), lambda rows: len(rows) == 1
    )
    return booked, str(found[0]["id"])


async def test_list_shows_dead_letters_and_their_errors(people: People, tutormesh: Tutormesh) -> None:
    booked, message = await make_dead_letter(people)
    answer = await tutormesh("notifications", "list", "--dead", "--about", booked.booking)
    assert answer.exit_code == 0
    titles, row = (line.split() for line in answer.output.splitlines())
    assert titles == list(notifications.TITLES)
    assert row[:6] == [message, "booking.confirmed", "webhook", "everybody", "DEAD", "1"]
    assert row[-1] == "ConnectError"
    assert (await tutormesh("notifications", "list", "--about", str(uuid4()))).output == "no notifications\n"


async def test_list_as_json_has_every_field(people: People, tutormesh: Tutormesh) -> None:
    booked, message = await make_dead_letter(people)
    (output,) = json.loads((await tutormesh("notifications", "list", "--about", booked.booking, "--json")).output)
    assert output["created_at"].endswith("Z")
    assert output | {"created_at": ""} == {
        "id": message,
        "type": "booking.confirmed",
        "subject_id": booked.booking,
        "channel": "webhook",
        "audience": "everybody",
        "status": "DEAD",
        "attempt": 1,
        "error": "ConnectError",
        "wake_at": None,
        "created_at": "",
    }


async def test_list_pages_until_it_has_as_many_as_were_asked_for(
    people: People, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [(await make_dead_letter(people))[1] for _ in range(3)]
    monkeypatch.setattr(notifications, "MAX_PER_PAGE", 1)
    assert [found.id for found in await notifications.fetch_notifications(peers, most=2)] == messages[:0:-1]


async def test_retry_tries_again(people: People, tutormesh: Tutormesh) -> None:
    _, message = await make_dead_letter(people)
    assert (await tutormesh("notifications", "retry", message)).output == "retrying 1\n"
    ask = "select attempt from notification where id = $1 and status = 'DEAD'"
    await wait_until(
        lambda: people.world.sql("payment", ask, UUID(message)), lambda rows: bool(rows) and rows[0]["attempt"] == 2
    )
    assert int((await tutormesh("notifications", "retry", "--all")).output.split()[1]) >= 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((str(uuid4()),), 1, "NOT_FOUND: There is no such thing."),
        (("nonsense",), 1, "BAD_USER_INPUT"),
        ((), 2, "name one message, or say --all"),
        (("x", "--all"), 2, "name one message, or say --all"),
    ],
)
async def test_a_retry_that_is_not_possible_is_refused_in_one_line(
    people: People, tutormesh: Tutormesh, words: tuple[str, ...], code: int, said: str
) -> None:
    answer = await tutormesh("notifications", "retry", *words)
    assert answer.exit_code == code
    assert said in answer.output.splitlines()[-1]
