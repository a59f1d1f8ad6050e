"""Where a saga may go is one table, and nothing can be committed that it does not list."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest

from payment_svc.domain import ENDS, TRANSITIONS, State, Transition


@pytest.mark.parametrize(("here", "there"), list(product(State, State)))
def test_a_transition_that_the_table_does_not_list_raises(here: State, there: State) -> None:
    saga: Any = SimpleNamespace(state=here)
    if here is there or there in TRANSITIONS.get(here, ()):
        assert Transition(saga, there, "moved").state is there
    else:
        with pytest.raises(ValueError, match=f"{here} → {there} is no transition"):
            Transition(saga, there, "moved")


def test_nothing_leads_out_of_an_end() -> None:
    assert ENDS.isdisjoint(TRANSITIONS)
