"""Two students, one time or one seat, two replicas: everything that may happen, in an order that Hypothesis chooses.

Where the exhaustive search is narrow and complete (test_exhaustive.py), this is wide: rivals that pay too, changed
amounts, refunds that stay pending, fail or are refused, cancels by two people, days that pass. Each run ends by coming to
rest.
"""

from __future__ import annotations

import contextlib
from uuid import UUID, uuid5

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from payment_svc.domain import NAMESPACE
from tests.model.life import STUDENT, Choice, apply, choices
from tests.model.rest import come_to_rest
from tests.model.state import State
from tests.model.system import running

OTHER = uuid5(NAMESPACE, "another student")
PLENTY = {
    "pay": 2, "decline": 3, "change amount": 1, "duplicate": 4, "cancel": 3, "reconcile": 2, "tick": 12,
    "hold ends": 1, "lost": 6, "takes place": 1, "pending refund fails": 1, "succeeded refund fails": 1,
    "created events": 1, "a day passes": 1,
}  # fmt: skip
ANY = st.integers(min_value=0, max_value=63)


class Lessons(RuleBasedStateMachine):
    """The mesh; each rule lets one thing happen of those that may."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        self.system = self._stack.enter_context(running())

    @initialize(
        price=st.sampled_from([5000, 5000, 0]),
        by_student=st.booleans(),
        refused=st.sampled_from([0, 0, 0, 1]),
        undisturbed=st.integers(min_value=0, max_value=12),
    )
    def two_students_ask(self, price: int, by_student: bool, refused: int, undisturbed: int) -> None:
        self.system.state = State(budget={**PLENTY, "price": price, "by the student": int(by_student)})
        self.system.state.budget["amount refused"] = refused
        self.ask(STUDENT, 0, "k")
        for _ in range(undisturbed):
            self._one_of(0, "step")
        self.ask(OTHER, 1, "")

    def ask(self, student: UUID, replica: int, key: str) -> None:
        self.system.book(student, replica, key)

    def _may(self, kind: str) -> list[Choice]:
        happens = choices(self.system)
        if kind == "lost":
            return [choice for choice in happens if "lost" in choice[-1]]
        return [choice for choice in happens if choice[0] == kind and "lost" not in choice[-1]]

    def _one_of(self, which: int, kind: str) -> None:
        may = self._may(kind)
        if may:
            apply(self.system, may[which % len(may)])

    @rule(which=ANY, steps=st.integers(min_value=1, max_value=16))
    def somebody_goes_on(self, which: int, steps: int) -> None:
        """The same process for a while: calls that nobody comes between are the usual case."""
        may = self._may("step")
        for _ in range(steps):
            if may and may[which % len(may)] in self._may("step"):
                apply(self.system, may[which % len(may)])

    @rule(steps=st.integers(min_value=1, max_value=30))
    def all_go_on(self, steps: int) -> None:
        for _ in range(steps):
            self._one_of(0, "step")

    @rule(kind=st.sampled_from(("deliver", "duplicate", "recover", "inbox", "reconcile")), which=ANY)
    def something_begins(self, kind: str, which: int) -> None:
        self._one_of(which, kind)

    @rule(kind=st.sampled_from(("pay", "decline", "change amount", "cancel", "refund fails", "takes place")), which=ANY)
    def somebody_acts(self, kind: str, which: int) -> None:
        self._one_of(which, kind)

    @rule(kind=st.sampled_from(("lost", "tick", "tick", "hold ends", "a day passes")), which=ANY)
    def an_accident(self, kind: str, which: int) -> None:
        self._one_of(which, kind)

    @rule(mood=st.sampled_from(["succeeded", "pending", "failed", "refused"]))
    def the_provider_changes_its_mood(self, mood: str) -> None:
        self.system.state.refund_status = mood

    def teardown(self) -> None:
        with self._stack:
            come_to_rest(self.system)


class Places(Lessons):
    """The same with one seat in a course."""

    def ask(self, student: UUID, replica: int, key: str) -> None:
        self.system.enroll(student, replica, key)


derandomized = settings(
    derandomize=True, database=None, deadline=None, stateful_step_count=40, suppress_health_check=list(HealthCheck)
)
Lessons.TestCase.settings = settings(derandomized, max_examples=250)
Places.TestCase.settings = settings(derandomized, max_examples=120)


class TestLessonsInAnyOrder(Lessons.TestCase):  # type: ignore[misc]
    """Each lesson is sold once or not at all, whatever happens in whatever order."""


class TestPlacesInAnyOrder(Places.TestCase):  # type: ignore[misc]
    """The seat is sold once or not at all."""
