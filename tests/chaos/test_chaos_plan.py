"""A seed decides what is ordered and which faults happen."""

from __future__ import annotations

from collections import defaultdict

from devkit.chaos.orders import Lesson, Seat
from devkit.chaos.plan import KILLS, STUDENTS, TUTORS, Kill, ProviderFailure, WebhookMode, draw_plan


def test_a_seed_always_draws_the_same_plan():
    assert draw_plan(7, 60) == draw_plan(7, 60)
    assert draw_plan(7, 60) != draw_plan(8, 60)


def test_a_minute_has_over_a_hundred_journeys_ordered_by_time():
    journeys = draw_plan(7, 60).journeys
    assert len(journeys) > 100
    assert [journey.at for journey in journeys] == sorted(journey.at for journey in journeys)
    assert {journey.student for journey in journeys} == set(range(3 * STUDENTS))  # new ones every 20 s
    assert {journey.order.tutor for journey in journeys} == set(range(TUTORS))
    assert len({journey.key for journey in journeys}) == len(journeys)


def test_some_students_pay_some_are_declined_some_abandon_and_some_cancel():
    journeys = draw_plan(7, 60).journeys
    assert {len(journey.cards) for journey in journeys} == {0, 1, 2, 3}
    assert any(journey.cancel for journey in journeys)
    assert any(journey.provider_fault for journey in journeys)


def test_several_students_order_the_same_at_the_same_moment():
    journeys = draw_plan(7, 60).journeys
    for kind in (Lesson, Seat):
        orders = [(journey.at, journey.order) for journey in journeys if isinstance(journey.order, kind)]
        assert len(set(orders)) < len(orders)


def test_most_courses_have_fewer_seats_than_students_and_some_courses_are_free():
    wanted = defaultdict(set)
    for journey in draw_plan(7, 60).journeys:
        if isinstance(journey.order, Seat):
            wanted[journey.order].add(journey.student)
    assert len({seat.course for seat in wanted}) == len(wanted) > 10
    assert sum(len(students) > seat.seats for seat, students in wanted.items()) > len(wanted) / 2
    assert {seat.price > 0 for seat in wanted} == {True, False}


def test_a_minute_kills_every_kind_of_process_and_the_database():
    kills = {fault.program for fault in draw_plan(7, 60).faults if isinstance(fault, Kill)}
    assert kills == {*KILLS, "postgres"}


def test_no_fault_happens_after_the_end():
    faults = draw_plan(7, 60).faults
    assert max(fault.at for fault in faults) < 60
    assert {type(fault) for fault in faults} == {Kill, WebhookMode, ProviderFailure}
