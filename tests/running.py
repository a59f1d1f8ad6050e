"""How the suite is run: in which order, what together, and what coverage follows. pytest's hooks, which conftest imports."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

#: What takes long begins first, so that the runner's processes end together; what computes and what waits by turns.
LONGEST_FIRST = "failpoints chaos pages model devkit troubles fuzz limits access contract golden docs replicas".split()
#: Folders whose modules share a mesh or what else is costly: one runner's process takes them all.
TOGETHER = frozenset(("tests/contract", "tests/deploy", "tests/pages", "tests/replicas"))
#: Modules of such a folder that together take as long as its others: a process of its own may take them.
APART = frozenset(
    f"tests/pages/test_{name}.py" for name in ("every_page", "shop", "hold_end", "stripe_js", "hostile_text", "embed")
)
#: Folders and modules that run what others cover; measuring it again would make them twice as slow.
NOT_MEASURED = frozenset(
    "access contract deploy docs failpoints federation fuzz golden limits model pages replicas troubles"
    " test_graphql_fuzz test_rest_fuzz test_websocket_fuzz test_openapi"
    " test_crashes test_double_faults test_answers_after_faults test_lost_commits test_failing_refunds test_ends"
    " test_replaced_owners test_ordering test_seat_hold_end test_cancelling_an_enrollment"
    " test_races test_booking_races test_learning_races test_session_races"
    " test_given_up_refunds test_refused_refunds test_refund_messages test_hostile_objects test_holding_for_free"
    " test_untrusted_events test_late_payments test_cancelling_a_booking test_unknown_outcomes test_webhooks"
    " test_what_is_told test_payment_engines test_costliest_document test_in_flight test_sandbox"
    " test_audit_cancelled_mesh test_audit_command test_delivery test_refund_commands test_find".split()
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order that ends soonest (with xdist's --no-loadscope-reorder)."""
    order = {folder: place for place, folder in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(_folder(item), len(order)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """A module at a time to each of the runner's processes, or a folder."""
    return _Scheduling(config, log)


class _Scheduling(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        module = super()._split_scope(nodeid)
        folder = module.rpartition("/")[0]
        if folder not in TOGETHER:
            return module
        return f"{folder}, apart" if module in APART else folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Without coverage's tracer where it is not wanted: pytest-cov's `no_cover` leaves another running under xdist."""
    tracer = sys.gettrace()
    if not NOT_MEASURED.isdisjoint((_folder(item), item.path.stem)):
        sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]
