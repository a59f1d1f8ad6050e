"""Receivers that are down, slow or dead: told again, in order, at nobody else's cost; given up in the end, and seen."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from typing import Any
from uuid import UUID, uuid4

import pytest

from mesh.errors import Refusal
from tests.notifications.conftest import Post, Receiver, hurry, only_replica, rows
from tests.payment.faults import sold
from tests.people import Booked, People, lesson_time, wait_until
from tests.scraped import own
from tests.traced import trace_of, traced, traces_linked
from tests.world import FailAt, StallAt, World
from tutormesh.payment.v1 import notification_pb2 as pb
from tutormesh.payment.v1.notification_pb2_grpc import NotificationServiceStub

SOLD_AND_CANCELLED = ["booking.confirmed", "booking.cancelled", "refund.paid"]


def only(booking: str, answer: int | None) -> Any:
    """A judge who answers so about one booking and takes everything else."""
    return lambda told: answer if told["data"]["bookingId"] == booking else 200


async def let_it_be_given_up(people: People, booking: str) -> None:
    """A day of tries has passed."""
    a_day = "update notification set tried_since = clock_timestamp() - interval '25 hours' where subject_id = $1"
    await people.world.sql("payment", a_day + " and error <> ''", UUID(booking))
    await hurry(people, booking)


async def until_status(people: People, booking: str, *statuses: str, channel: str = "webhook") -> list[Any]:
    return await wait_until(
        lambda: rows(people, booking, channel), lambda found: [row["status"] for row in found] == list(statuses)
    )


def operator(people: People) -> Any:
    return people.stub(NotificationServiceStub, "payment", "ops")


async def listed(people: People, **asked: Any) -> list[Any]:
    return list(
        (await operator(people).ListNotifications(pb.ListNotificationsRequest(**asked), timeout=5)).notifications
    )


async def retried(people: People, message_id: str = "") -> int:
    request = pb.RetryNotificationsRequest(notification_id=message_id)
    return int((await operator(people).RetryNotifications(request, timeout=5)).retried)


async def refused(people: People, receiver: Receiver, answer: int | None = 500) -> Booked:
    """A sold lesson of which the receiver takes nothing."""
    receiver.judge = lambda _: answer
    booked = await sold(people)
    await wait_until(lambda: rows(people, booked.booking), lambda found: bool(found) and found[0]["error"])
    return booked


async def test_what_a_receiver_refuses_is_told_again_and_what_follows_waits_for_it(
    people: People, receiver: Receiver
) -> None:
    booked = await refused(people, receiver)
    receiver.judge = only(booked.booking, 503)
    await people.cancel(booked)
    other = await sold(people)
    await receiver.until_taken(other.booking, "booking.confirmed")  # flows past
    first, *others = await rows(people, booked.booking)
    assert (first["status"], first["error"][:8]) == ("PENDING", "answered")
    assert [row["attempt"] for row in others] == [0, 0]
    receiver.judge = lambda _: 200
    await hurry(people, booked.booking)
    await receiver.until_taken(booked.booking, *SOLD_AND_CANCELLED)


async def test_a_receiver_that_is_down_costs_the_mails_nothing(people: People, receiver: Receiver, post: Post) -> None:
    booked = await refused(people, receiver, None)
    for person in (booked.student, booked.tutor):
        await post.until_sent(person, 1)
    assert (await rows(people, booked.booking))[0]["error"] == "TimeoutError"


async def test_one_that_never_answers_is_left_after_its_time_and_holds_up_nobody_else(
    people: People, receiver: Receiver
) -> None:
    receiver.judge = lambda told: None if told["type"] == "booking.confirmed" else 200
    slow = [await sold(people) for _ in range(3)]
    receiver.judge = lambda told: None if told["data"]["bookingId"] in {booked.booking for booked in slow} else 200
    quick = await sold(people)
    await receiver.until_taken(quick.booking, "booking.confirmed")
    for booked in slow:
        await wait_until(lambda b=booked: rows(people, b.booking), lambda found: found[0]["error"] == "TimeoutError")


@pytest.mark.parametrize(("answer", "words"), [(302, "answered 302"), (404, "answered 404"), (410, "answered 410")])
async def test_only_2xx_has_taken_a_message(people: People, receiver: Receiver, answer: int, words: str) -> None:
    booked = await refused(people, receiver, answer)
    assert (await rows(people, booked.booking))[0]["error"] == words
    assert receiver.about(booked.booking) == []


async def test_after_a_day_a_message_is_dead_and_seen_and_the_next_one_goes(people: People, receiver: Receiver) -> None:
    booked, before, tries = await refused(people, receiver), own(), "tutormesh_message_tries_total"
    receiver.judge = only(booked.booking, 500)
    await people.cancel(booked)
    receiver.judge = lambda told: 500 if told["type"] == "booking.confirmed" else 200
    await let_it_be_given_up(people, booked.booking)
    await receiver.until_taken(booked.booking, "booking.cancelled", "refund.paid")
    (dead,) = await listed(people, subject_id=booked.booking, status=pb.NOTIFICATION_STATUS_DEAD)
    assert (dead.type, dead.error, dead.channel) == ("booking.confirmed", "answered 500", "webhook")
    assert not dead.HasField("wake_at")
    for outcome, number in (("dead", 1), ("delivered", 2)):
        labels = {"channel": "webhook", "outcome": outcome}
        assert own().value(tries, **labels) - before.value(tries, **labels) >= number
    receiver.judge = lambda _: 200
    assert await retried(people, dead.id) == 1
    await wait_until(lambda: rows(people, booked.booking), lambda found: found[0]["status"] == "DELIVERED")
    assert receiver.types(booked.booking) == ["booking.cancelled", "refund.paid", "booking.confirmed"]


async def test_everything_that_is_dead_is_retried_at_once(people: People, receiver: Receiver) -> None:
    lost = [await refused(people, receiver) for _ in range(2)]
    for booked in lost:
        await let_it_be_given_up(people, booked.booking)
        await until_status(people, booked.booking, "DEAD")
    receiver.judge = lambda _: 200
    assert await retried(people) == 2
    for booked in lost:
        await receiver.until_taken(booked.booking, "booking.confirmed")
    assert await retried(people) == 0


async def test_retry_names_what_it_cannot_do(people: People, receiver: Receiver) -> None:
    booked = await sold(people)
    (row,) = await until_status(people, booked.booking, "DELIVERED")
    for message_id, reason in ((str(row["id"]), "WRONG_STATE"), (str(uuid4()), "NOT_FOUND"), ("x", "BAD_USER_INPUT")):
        with pytest.raises(Refusal) as found:
            await retried(people, message_id)
        assert found.value.reason == reason


async def test_the_list_is_paged_newest_first(people: People, receiver: Receiver) -> None:
    booked = await sold(people)
    await until_status(people, booked.booking, "DELIVERED")
    asked = {"subject_id": booked.booking, "page_size": 2}
    page = await operator(people).ListNotifications(pb.ListNotificationsRequest(**asked), timeout=5)
    rest = await listed(people, **asked, page_token=page.next_page_token)
    found = [(each.channel, each.audience) for each in (*page.notifications, *rest)]
    assert sorted(found) == [("email", "student"), ("email", "tutor"), ("webhook", "everybody")]
    with pytest.raises(Refusal, match="page_token"):
        await listed(people, page_token="-1")


async def test_a_refused_address_is_dead_at_once_and_the_other_persons_mail_goes(people: People, post: Post) -> None:
    tutor = await people.tutor()
    post.answers[str(tutor)] = deque(["550 unknown"])
    booked = await people.booked(tutor, lesson_time())
    await people.pay(booked.intent)
    await post.until_sent(booked.student, 1)
    found = await wait_until(
        lambda: rows(people, booked.booking, "email"),
        lambda each: {row["status"] for row in each} == {"DELIVERED", "DEAD"},
    )
    dead = next(row for row in found if row["status"] == "DEAD")
    assert (dead["audience"], dead["error"], dead["attempt"]) == ("tutor", "the recipient was refused: 550", 1)


async def test_a_mail_put_off_by_its_server_comes_later(people: People, post: Post) -> None:
    tutor = await people.tutor()
    post.answers[str(tutor)] = deque(["451 come again"])
    booked = await people.booked(tutor, lesson_time())
    await people.pay(booked.intent)
    await wait_until(
        lambda: rows(people, booked.booking, "email"),
        lambda found: "the recipient was refused: 451" in [row["error"] for row in found],
    )
    await hurry(people, booked.booking)
    await post.until_sent(booked.tutor, 1)


async def test_who_dies_between_telling_and_writing_it_down_leaves_it_to_be_told_again(
    people: People, world: World, receiver: Receiver
) -> None:
    dying = StallAt("before mark_delivered")
    replica = await only_replica(world, dying)
    booked = await sold(people)
    await asyncio.wait_for(dying.reached.wait(), 10)
    await receiver.until_taken(booked.booking, "booking.confirmed")
    await world.start_replica()
    await world.kill_replica(replica)
    await receiver.until_taken(booked.booking, "booking.confirmed", "booking.confirmed")
    first, again = receiver.about(booked.booking)
    assert first == again
    assert len(await until_status(people, booked.booking, "DELIVERED")) == 1


async def test_a_database_that_is_away_when_it_is_written_down_has_it_told_again(
    people: People, world: World, receiver: Receiver
) -> None:
    await only_replica(world, FailAt("before mark_delivered", times=3))  # the webhook and both mails
    booked = await sold(people)
    await receiver.until_taken(booked.booking, "booking.confirmed", "booking.confirmed")
    await until_status(people, booked.booking, "DELIVERED")
    await only_replica(world)


async def test_a_stalled_owners_late_word_changes_nothing(people: People, world: World, receiver: Receiver) -> None:
    stalled = StallAt("before back_off")
    replica = await only_replica(world, stalled)
    receiver.judge = lambda _: 500
    booked = await sold(people)
    await asyncio.wait_for(stalled.reached.wait(), 10)
    receiver.judge = lambda _: 200
    other = await world.start_replica()
    await until_status(people, booked.booking, "DELIVERED")
    stalled.go.set()
    await replica.app.deliveries.drain()
    (row,) = await until_status(people, booked.booking, "DELIVERED")
    assert row["attempt"] == 2
    await world.stop_replica(replica)
    assert other in world.replicas


async def test_two_replicas_and_a_moody_receiver_keep_the_order_of_each_booking(
    people: People, world: World, receiver: Receiver
) -> None:
    await world.start_replica()
    mood, seen = random.Random(7), Counter[str]()

    def moody(told: dict[str, Any]) -> int:
        seen[told["id"]] += 1
        return 200 if seen[told["id"]] > 2 or mood.random() < 0.5 else 500

    receiver.judge = moody
    lessons = [await sold(people) for _ in range(4)]
    await asyncio.gather(*(people.cancel(booked) for booked in lessons))
    for booked in lessons:

        async def hurried(booking: str = booked.booking) -> list[str]:
            await hurry(people, booking)
            return receiver.types(booking)

        await wait_until(hurried, lambda types: len(types) >= 3)
        assert receiver.types(booked.booking) == SOLD_AND_CANCELLED
    await world.stop_replica(world.replicas[-1])


async def test_a_delivery_names_its_sale_and_is_linked_to_the_sales_beginning(
    people: People, receiver: Receiver, post: Post
) -> None:
    with traced() as seen:
        booked = await sold(people)
        await receiver.until_taken(booked.booking, "booking.confirmed")
        await post.until_sent(booked.student, 1)
        ids = {"saga_id": booked.saga, "booking_id": booked.booking, "payment_id": booked.payment}
        await wait_until(lambda: _now([seen.named(f"deliver {each}", **ids) for each in ("webhook", "email")]), all)
    (began,) = seen.named("PaymentService/BookSession", saga_id=booked.saga)
    for channel in ("webhook", "email"):
        delivered = seen.named(f"deliver {channel}", **ids)
        assert all(trace_of(began) in traces_linked(span) for span in delivered)


async def _now(found: list[Any]) -> list[Any]:
    return found
