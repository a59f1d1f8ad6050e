"""What clients were told and paid is compared with what became of it. Each kind of difference is found."""

from __future__ import annotations

import pytest

from devkit.chaos.checks.promises import ProviderPayment, find_broken_promises, find_oversold_courses, read_payments
from devkit.chaos.ledger import View
from devkit.chaos.orders import Lesson, Seat

ONE_SEAT, FREE = Seat(1, 0, seats=1, price=5000), Seat(2, 0, seats=3, price=0)


def view(
    final: str, *statuses: str, cancels: int = 0, refunds: tuple[int, ...] = (), paid: bool = False, seat: Seat | None = None
) -> View:  # fmt: skip
    order = seat or Lesson(0, 0)
    return View(
        "b1", 0, order, "s1", statuses=list(statuses), cancels=cancels, refunds=list(refunds), paid=paid, final=final
    )


def student(number: int, final: str = "ACTIVE", seat: Seat = ONE_SEAT) -> View:
    return View(f"e{number}", number, seat, f"s{number}", final=final)


def money(received: int = 5000, returned: int = 0, saga: str = "s1") -> ProviderPayment:
    return ProviderPayment("pi_1", saga, received, returned)


KEPT = {
    "sold": (view("CONFIRMED", "PAYMENT_REQUIRED", "CONFIRMED", paid=True), [money()]),
    "abandoned": (view("EXPIRED", "PAYMENT_REQUIRED"), [money(received=0)]),
    "paid too late": (view("EXPIRED", "PAYMENT_REQUIRED", paid=True), [money(returned=5000)]),
    "cancelled for half": (view("CANCELLED", "CONFIRMED", cancels=2, refunds=(2500, 2500)), [money(returned=2500)]),
    "cancelled unpaid": (view("CANCELLED", cancels=1, refunds=(0,)), [money(received=0)]),
    "enrolled": (view("ACTIVE", "PAYMENT_REQUIRED", "ACTIVE", paid=True, seat=ONE_SEAT), [money()]),
    "enrolled for nothing": (view("ACTIVE", "ACTIVE", seat=FREE), []),
    "enrollment cancelled": (
        view("CANCELLED", "ACTIVE", cancels=1, refunds=(2500,), seat=ONE_SEAT),
        [money(returned=2500)],
    ),
}
BROKEN = {
    "never ended": (view("PAYMENT_REQUIRED"), [], "has not ended"),
    "confirmed, then not": (view("EXPIRED", "CONFIRMED"), [], "CONFIRMED then EXPIRED"),
    "one end, then another": (view("CANCELLED", "EXPIRED"), [], "EXPIRED then CANCELLED"),
    "confirmed unpaid": (view("CONFIRMED"), [money(received=0)], "not paid once"),
    "confirmed, paid twice": (view("CONFIRMED"), [money(), money()], "not paid once"),
    "confirmed, money gone back": (view("CONFIRMED"), [money(returned=5000)], "not paid once"),
    "paid for nothing": (view("EXPIRED"), [money()], "is not back"),
    "half of it kept": (view("PAYMENT_FAILED"), [money(returned=2500)], "is not back"),
    "a payment that vanished": (view("EXPIRED", paid=True), [], "knows of no payment"),
    "cancelled in vain": (view("CONFIRMED", cancels=1, refunds=(5000,)), [money()], "a cancel was accepted"),
    "another refund than promised": (
        view("CANCELLED", cancels=1, refunds=(5000,)),
        [money(returned=2500)],
        "a refund of 5000 was promised, 2500 went back",
    ),
    "enrolled unpaid": (view("ACTIVE", seat=ONE_SEAT), [money(received=0)], "not paid once"),
    "enrolled for less": (view("ACTIVE", seat=ONE_SEAT), [money(received=4999)], "not paid once"),
    "enrolled, then not": (view("EXPIRED", "ACTIVE", seat=ONE_SEAT), [], "ACTIVE then EXPIRED"),
    "an enrollment with a status of bookings": (view("CONFIRMED", seat=ONE_SEAT), [money()], "has not ended"),
    "paid for no seat": (view("PAYMENT_FAILED", seat=ONE_SEAT), [money()], "is not back"),
    "paid for a free course": (view("ACTIVE", seat=FREE), [money()], "not paid once"),
    "two promises": (view("CANCELLED", cancels=2, refunds=(5000, 2500)), [money(returned=5000)], "different refunds"),
}


@pytest.mark.parametrize("case", KEPT)
def test_a_kept_promise_is_no_finding(case: str):
    seen, paid = KEPT[case]
    assert find_broken_promises([seen], paid) == []


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_promise_is_found(case: str):
    seen, paid, words = BROKEN[case]
    assert any(words in line for line in find_broken_promises([seen], paid))


def test_a_course_with_more_students_than_seats_is_found():
    assert find_oversold_courses([student(1), student(2, "CANCELLED"), student(3, "EXPIRED")]) == []
    (finding,) = find_oversold_courses([student(1), student(2)])
    assert "has 1 seats" in finding and "e1" in finding and "e2" in finding


def test_a_student_with_two_seats_in_a_course_is_found():
    twice = [student(1, seat=FREE), student(1, seat=FREE)]
    assert len(find_oversold_courses(twice)) == 1
    assert find_oversold_courses([student(1, seat=FREE), student(2, seat=FREE)]) == []


def test_money_for_a_booking_that_no_client_knows_is_found():
    assert "no client was told" in find_broken_promises([], [money(saga="s2")])[0]
    assert find_broken_promises([], [money(saga="s2", returned=5000)]) == []


def test_a_failed_refund_does_not_count_as_returned():
    state = {
        "payment_intents": [{"id": "pi_1", "metadata": {"sagaId": "s1"}, "amount_received": 5000}],
        "refunds": [
            {"payment_intent": "pi_1", "status": "failed", "amount": 5000},
            {"payment_intent": "pi_1", "status": "succeeded", "amount": 2500},
        ],
    }
    assert read_payments(state) == [money(returned=2500)]
