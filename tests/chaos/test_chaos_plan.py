"""A seed decides what is asked for and what breaks."""

from __future__ import annotations

from collections import defaultdict

from devkit.chaos.plan import KILLS, STUDENTS, TUTORS, Kill, Provider, Webhooks, drawn
from devkit.chaos.wares import Lesson, Place


def test_a_seed_always_draws_the_same_plan():
    assert drawn(7, 60) == drawn(7, 60)
    assert drawn(7, 60) != drawn(8, 60)


def test_a_minute_holds_over_a_hundred_journeys_in_order_of_time():
    journeys = drawn(7, 60).journeys
    assert len(journeys) > 100
    assert [journey.at for journey in journeys] == sorted(journey.at for journey in journeys)
    assert {journey.student for journey in journeys} == set(range(STUDENTS))
    assert {journey.wish.tutor for journey in journeys} == set(range(TUTORS))
    assert len({journey.key for journey in journeys}) == len(journeys)


def test_some_pay_some_are_declined_some_abandon_and_some_cancel():
    journeys = drawn(7, 60).journeys
    assert {len(journey.cards) for journey in journeys} == {0, 1, 2, 3}
    assert any(journey.cancel for journey in journeys)
    assert any(journey.trouble for journey in journeys)


def test_several_people_want_the_same_time_in_the_same_moment():
    journeys = drawn(7, 60).journeys
    for kind in (Lesson, Place):
        wishes = [(journey.at, journey.wish) for journey in journeys if isinstance(journey.wish, kind)]
        assert len(set(wishes)) < len(wishes)


def test_more_students_want_into_the_courses_than_there_are_seats_and_some_courses_are_free():
    wanted = defaultdict(set)
    for journey in drawn(7, 60).journeys:
        if isinstance(journey.wish, Place):
            wanted[journey.wish].add(journey.student)
    assert len({place.course for place in wanted}) == len(wanted) > 10
    assert sum(len(students) > place.seats for place, students in wanted.items()) > len(wanted) / 2
    assert {place.price > 0 for place in wanted} == {True, False}


def test_a_minute_kills_every_kind_of_process_and_the_database():
    kills = {blow.program for blow in drawn(7, 60).blows if isinstance(blow, Kill)}
    assert kills == {*KILLS, "postgres"}


def test_no_blow_falls_after_the_end():
    blows = drawn(7, 60).blows
    assert max(blow.at for blow in blows) < 60
    assert {type(blow) for blow in blows} == {Kill, Webhooks, Provider}
