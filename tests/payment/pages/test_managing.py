"""The page to manage what was bought, for each of its two people, and the links that open it or do not."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from mesh.errors import BadInput, NotFound, Refusal
from payment_svc.domain.messages import Audience, DeliveryRoute, Message
from payment_svc.links.addresses import Links
from payment_svc.links.tokens import Link, LinkPerson, Purpose, Tokens
from tests.learners import Enrolled, active, enrolled
from tests.payment.pages.conftest import DOORS, PUBLIC_URL, SECRETS, Visitor
from tests.people import Booked, People, lesson_time
from tests.world import World
from tutormesh.payment.v1 import link_pb2 as pb
from tutormesh.payment.v1 import payment_pb2

STUDENT, TUTOR = LinkPerson.STUDENT, LinkPerson.TUTOR
TOOK_PLACE = """
update session set scheduled_at = clock_timestamp() - make_interval(mins => duration_minutes), status = 'COMPLETED',
    completed_at = clock_timestamp() where id = $1"""
LINKS, SOON = Links(PUBLIC_URL, SECRETS), datetime.now(UTC)


def manage_url(sold: Booked | Enrolled, person: LinkPerson, *, secrets: tuple[str, ...] = SECRETS) -> str:
    """A link that lives for a day."""
    sold_id = UUID(sold.booking if isinstance(sold, Booked) else sold.id)
    link = Link(Purpose.MANAGE, person, sold_id, int(time.time()) + 86400)
    return f"{PUBLIC_URL}/manage/{Tokens(secrets).sign(link)}"


def status(page: pb.OpenPurchaseResponse) -> str:
    return pb.PurchaseStatus.Name(page.purchase.status).removeprefix("PURCHASE_STATUS_")


async def sell(people: People, tutor: UUID | None = None, **more: object) -> Booked:
    booked = await people.booked(tutor or await people.tutor(display_name="Ada"), lesson_time(), **more)
    await people.pay(booked.intent)
    await people.until_state(booked.saga, "COMPLETED")
    return booked


async def test_each_person_sees_the_lesson_and_may_cancel_it(people: People, visitor: Visitor) -> None:
    booked = await sell(people, timezone="Asia/Tokyo", locale="ja")
    for person, zone, locale in ((STUDENT, "Asia/Tokyo", "ja"), (TUTOR, "UTC", "")):
        page = await visitor.purchase(manage_url(booked, person))
        bought = page.purchase
        assert (status(page), pb.LinkPerson.Name(bought.person)) == ("CONFIRMED", f"LINK_PERSON_{person}")
        assert (bought.booking_id, bought.tutor_name, bought.timezone, bought.locale) == (
            booked.booking,
            "Ada",
            zone,
            locale,
        )
        assert page.meeting_link == (await people.session(booked.session)).meeting_link
        assert (page.is_cancellable, page.refunded.amount_minor, bought.version) == (True, 0, 0)
        assert page.refund_state == payment_pb2.REFUND_STATE_NONE


async def test_each_person_is_quoted_by_their_own_rule_and_gets_what_was_quoted(
    people: People, visitor: Visitor
) -> None:
    booked = await sell(people)
    await people.let_the_lesson_begin_in(booked, 12)  # less than a day, more than two hours
    theirs = await visitor.quote(manage_url(booked, STUDENT))
    assert (theirs.percent, theirs.refund.amount_minor) == (50, 2500)
    assert theirs.rule == "2 h or more before the lesson: 50 %"
    tutors = await visitor.quote(manage_url(booked, TUTOR))
    assert (tutors.percent, tutors.refund.amount_minor) == (100, 5000)
    with pytest.raises(Refusal) as refused:  # a quote is its person's
        await visitor.cancel(manage_url(booked, STUDENT), tutors.quote_token)
    assert refused.value.reason == "QUOTE_EXPIRED"
    done = await visitor.cancel(manage_url(booked, STUDENT), theirs.quote_token, "ill")
    assert done.refund.amount_minor == 2500
    again = await visitor.cancel(manage_url(booked, TUTOR))  # the first decision stays
    assert again.refund.amount_minor == 2500
    page = await visitor.purchase(manage_url(booked, TUTOR))
    assert (status(page), page.is_cancellable, page.meeting_link, page.purchase.version) == ("CANCELLED", False, "", 1)
    ask = """select detail from saga_event e join saga s on s.id = e.saga_id
        where booking_id = $1 and event = 'cancelled_by'"""
    ((told,),) = await people.world.sql("payment", ask, UUID(booked.booking))
    assert told == "by the student; 2 h or more before the lesson: 50 %: ill"


async def test_a_quote_of_the_link_is_a_quote_of_its_person(people: People, visitor: Visitor) -> None:
    """Whoever has logged in and opened the link too has one quote, not two."""
    booked = await sell(people)
    quote = await visitor.quote(manage_url(booked, STUDENT))
    assert (await people.cancel(booked, quote_token=quote.quote_token)).refund.amount_minor == 5000


async def test_a_tutor_cancels_and_everything_goes_back(people: People, visitor: Visitor) -> None:
    booked = await sell(people)
    await people.let_the_lesson_begin_in(booked, 1)
    assert (await visitor.cancel(manage_url(booked, TUTOR))).refund.amount_minor == 5000
    await people.at_rest()
    page = await visitor.purchase(manage_url(booked, STUDENT))
    assert (page.refunded.amount_minor, page.refund_pending.amount_minor) == (5000, 0)
    assert page.refund_state == payment_pb2.REFUND_STATE_PAID


async def test_two_cancels_at_once_have_one_answer(people: People, visitor: Visitor) -> None:
    booked = await sell(people)
    answers = await asyncio.gather(
        *(visitor.cancel(manage_url(booked, person)) for person in (STUDENT, TUTOR, STUDENT))
    )
    assert len({answer.refund.amount_minor for answer in answers}) == 1
    await people.at_rest()
    assert len(await people.refunds_of(booked.intent)) == 1


async def test_a_seat_is_managed_by_its_student_and_its_instructor(people: People, visitor: Visitor) -> None:
    seat = await active(people, await people.course(title="Fractions"))
    for person in (STUDENT, TUTOR):
        page = await visitor.purchase(manage_url(seat, person))
        assert (status(page), page.is_cancellable) == ("CONFIRMED", True)
        assert (page.purchase.course_title, page.purchase.enrollment_id) == ("Fractions", seat.id)
    quote = await visitor.quote(manage_url(seat, TUTOR))
    assert quote.rule == "cancelled by the instructor or the platform: 100 %"
    assert (await visitor.cancel(manage_url(seat, STUDENT))).refund.amount_minor == 5000
    assert status(await visitor.purchase(manage_url(seat, TUTOR))) == "CANCELLED"


async def test_an_unpaid_lesson_is_cancelled_by_its_link(people: People, visitor: Visitor) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    page = await visitor.purchase(manage_url(booked, STUDENT))
    assert (status(page), page.is_cancellable, page.meeting_link) == ("PAYMENT_REQUIRED", True, "")
    assert (await visitor.cancel(manage_url(booked, STUDENT))).refund.amount_minor == 0
    assert await people.state(booked.saga) == "CANCELLED"


async def test_a_lesson_that_took_place_is_completed_and_stays(people: People, visitor: Visitor) -> None:
    booked = await sell(people)
    await people.world.sql("session", TOOK_PLACE, UUID(booked.session))
    for person in (STUDENT, TUTOR):
        page = await visitor.purchase(manage_url(booked, person))
        assert (status(page), page.is_cancellable, page.meeting_link != "") == ("COMPLETED", False, True)
    with pytest.raises(Refusal) as refused:
        await visitor.cancel(manage_url(booked, TUTOR))
    assert refused.value.reason == "NOT_CANCELLABLE"


async def test_a_reason_has_its_bound(people: People, visitor: Visitor) -> None:
    booked = await sell(people)
    with pytest.raises(BadInput) as refused:
        await visitor.cancel(manage_url(booked, STUDENT), reason="x" * 1001)
    assert refused.value.field == "reason"
    assert await people.state(booked.saga) == "COMPLETED"


@pytest.mark.parametrize("door", DOORS)
async def test_47_no_other_link_opens_a_door(people: People, visitor: Visitor, door: str) -> None:
    """Malformed, forged, over, of nobody, of another purpose: as if there were nothing."""
    booked, now, day = await people.booked(await people.tutor(), lesson_time()), int(time.time()), 86400
    sold, tokens = UUID(booked.booking), Tokens(SECRETS)
    wanted = Purpose.CHECKOUT if "Checkout" in door else Purpose.MANAGE
    other = Purpose.MANAGE if wanted is Purpose.CHECKOUT else Purpose.CHECKOUT
    good = tokens.sign(Link(wanted, STUDENT, sold, now + day))
    wrong = [
        "",
        good[:-1],
        good[:-2] + ("AB" if good[-2:] != "AB" else "BA"),
        Tokens(["x" * 40]).sign(Link(wanted, STUDENT, sold, now + day)),
        Tokens(["sk_test_sandbox"]).sign(Link(wanted, STUDENT, sold, now + day)),
        tokens.sign(Link(wanted, STUDENT, sold, now - 1)),
        tokens.sign(Link(wanted, STUDENT, uuid4(), now + day)),
        tokens.sign(Link(other, STUDENT, sold, now + day)),
        tokens.sign(Link(wanted, STUDENT, UUID(booked.saga), now + day)),
        "lk_" * 30_000,
    ]
    for token in wrong:
        with pytest.raises(NotFound):
            await DOORS[door](visitor, token)
    assert await people.state(booked.saga) == "AWAITING_PAYMENT"
    await DOORS[door](visitor, good)


async def test_a_link_that_the_secret_of_before_signed_still_opens(people: People, visitor: Visitor) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    assert status(await visitor.purchase(manage_url(booked, STUDENT, secrets=SECRETS[1:]))) == "PAYMENT_REQUIRED"


async def test_a_refused_order_has_no_page(people: People, visitor: Visitor) -> None:
    tutor, start = await people.tutor(), lesson_time()
    await people.book(tutor, start)
    student = uuid4()
    with pytest.raises(Refusal):
        await people.book(tutor, start, student)
    for (sold,) in await people.world.sql("payment", "select booking_id from saga where student_id = $1", student):
        refused = Booked(str(sold), "", "", "", "", student, tutor)
        with pytest.raises(NotFound):
            await visitor.purchase(manage_url(refused, STUDENT))


async def test_the_link_of_a_message_opens_the_page_of_who_gets_it(people: People, visitor: Visitor) -> None:
    booked, seat = await sell(people), await enrolled(people)
    lesson = {"bookingId": booked.booking, "startTime": "2026-11-30T10:00:00Z", "durationMinutes": 60}
    for sold, data in ((booked.booking, lesson), (seat.id, {"enrollmentId": seat.id})):
        for audience, person in ((Audience.STUDENT, "STUDENT"), (Audience.TUTOR, "TUTOR")):
            message = _message(sold, audience, "booking.confirmed", data)
            assert LINKS.manage_url_of(message) == LINKS.manage_url_of(message)
            page = await visitor.purchase(LINKS.manage_url_of(message))
            assert pb.LinkPerson.Name(page.purchase.person) == f"LINK_PERSON_{person}"
            assert sold in (page.purchase.booking_id, page.purchase.enrollment_id)


def _message(sold: str, audience: Audience, kind: str, data: dict[str, object]) -> Message:
    return Message(uuid4(), DeliveryRoute("email", audience), 1, kind, UUID(sold), data, SOON)


def test_programs_and_refusals_get_no_link() -> None:
    sold = str(uuid4())
    for audience, kind in ((Audience.EVERYBODY, "booking.confirmed"), (Audience.STUDENT, "booking.rejected")):
        assert LINKS.manage_url_of(_message(sold, audience, kind, {"bookingId": sold})) == ""
    assert Links().manage_url_of(_message(sold, Audience.STUDENT, "booking.confirmed", {"bookingId": sold})) == ""


def test_a_link_of_a_message_lives_for_thirty_days_after_its_lesson() -> None:
    data = {"bookingId": "", "startTime": "2026-11-30T10:00:00Z", "durationMinutes": 90}
    url = LINKS.manage_url_of(_message(str(uuid4()), Audience.STUDENT, "booking.confirmed", data))
    link = Tokens(SECRETS).read(url.rpartition("/")[2])
    assert link is not None
    assert datetime.fromtimestamp(link.expires_at, UTC) == datetime(2026, 12, 30, 11, 30, tzinfo=UTC)


async def test_a_page_opens_while_its_peers_hang(
    people: People, visitor: Visitor, world: World, no_replica: None
) -> None:
    """What only they know is missing, and nothing else."""
    course = await people.course(title="Fractions")
    before = await world.start_replica()
    booked, seat = await sell(people), await active(people, course)
    await world.stop_replica(before)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        names = ("availability_address", "session_address", "learning_address")
        hanging = await world.start_replica(**dict.fromkeys(names, address))
        began = time.monotonic()
        lesson, course_page = await asyncio.gather(
            *(visitor.purchase(manage_url(sold, STUDENT)) for sold in (booked, seat))
        )
        assert time.monotonic() - began < 4
        await world.kill_replica(hanging)
    assert (status(lesson), lesson.purchase.tutor_name, lesson.purchase.timezone) == ("CONFIRMED", "Ada", "UTC")
    assert (lesson.meeting_link != "", lesson.is_cancellable) == (True, True)
    assert (status(course_page), course_page.purchase.course_title) == ("CONFIRMED", "")


async def test_47_no_link_is_in_a_log_or_in_a_row(
    people: People, visitor: Visitor, capsys: pytest.CaptureFixture[str]
) -> None:
    booked = await people.booked(await people.tutor(), lesson_time())
    payment = await people.payment(booked.payment)
    for door, opened in DOORS.items():
        await opened(visitor, payment.checkout_url if "Checkout" in door else manage_url(booked, STUDENT))
    with pytest.raises(NotFound):
        await visitor.purchase(payment.checkout_url)
    said = "".join(capsys.readouterr())
    assert "LinkService/CancelPurchase" in said
    assert "lk_" not in said
    for table in ("saga", "saga_event", "payment", "notification"):
        rows = await people.world.sql("payment", f"select 1 from {table} t where cast(t as text) like '%lk\\_%'")
        assert rows == []
