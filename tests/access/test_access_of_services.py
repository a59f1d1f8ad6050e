"""Who may do what inside each service, whatever the edge has let through: every cell of the table for RPCs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.access.rpc_requests import RPC_REQUESTS
from tests.access.rpcs import SERVICES, call_as, rpcs
from tests.access.scene import Scene
from tests.access.table import CALLERS, CARRIED, EVERYBODYS, FORBIDDEN, OK, UNAUTHENTICATED, VISITORS, WHO
from tests.house.conftest import ROOT

#: Names that a service token may carry. An RPC admits those that the table lists, and no other.
NAMES = ("bff", "payment", "ops", "internal", "demo", "availability", "session", "stranger")
#: The services that call on behalf of people. payment_svc does too, but the services trust it.
FOR_PEOPLE = ("bff", "ops", "internal")


def calls() -> Iterator[Any]:
    for name, callers in CALLERS.items():
        for caller in (*NAMES, "nobody"):
            yield pytest.param(name, caller, caller in callers.split(), id=f"{name}-{caller}")


def cells() -> Iterator[Any]:
    for name, expected in CARRIED.items():
        for caller in FOR_PEOPLE:
            for who, listed in zip(WHO, expected, strict=True):
                answer = VISITORS.get(name, listed) if (caller, who) == ("bff", "nobody") else listed
                yield pytest.param(name, caller, who, answer, id=f"{name}-{caller} for {who}-{answer}")


@pytest.mark.parametrize(("name", "caller", "may"), list(calls()))
async def test_62_only_the_services_of_the_table_are_admitted(scene: Scene, name: str, caller: str, may: bool) -> None:
    reason, words = await call_as(scene.people, name, None, "" if caller == "nobody" else caller)
    if caller == "nobody":
        assert reason == UNAUTHENTICATED
    else:
        assert ("may not be called by" in words) is not may, (reason, words)


@pytest.mark.parametrize("who", [who for who in WHO if who != "nobody"])
@pytest.mark.parametrize("name", CALLERS)
async def test_62_a_person_without_a_service_is_admitted_nowhere(scene: Scene, name: str, who: str) -> None:
    reason, words = await call_as(scene.people, name, None, "", scene.token(who))
    assert (reason, "may not be called by a person" in words) == (FORBIDDEN, True)


@pytest.mark.parametrize(("name", "caller", "who", "expected"), list(cells()))
async def test_47_a_service_asks_again_who_the_person_is(
    scene: Scene, name: str, caller: str, who: str, expected: str
) -> None:
    request = await RPC_REQUESTS[name](scene, who)
    reason, words = await call_as(scene.people, name, request, caller, scene.token(who))
    assert reason == expected, words


@pytest.mark.parametrize("name", EVERYBODYS)
async def test_only_the_operator_can_list_everybodys_records(scene: Scene, name: str) -> None:
    request = await RPC_REQUESTS[f"{name}: everybody's"](scene, "nobody")
    assert (await call_as(scene.people, name, request, "ops"))[0] == OK
    for caller, who in (("bff", "nobody"), ("internal", "nobody"), ("ops", "student"), ("bff", "service")):
        assert (await call_as(scene.people, name, request, caller, scene.token(who)))[0] == FORBIDDEN, (caller, who)


def test_the_table_names_every_rpc_of_every_service() -> None:
    protos = "\n".join(path.read_text() for path in (ROOT / "protos").rglob("*.proto"))
    assert set(SERVICES) == set(re.findall(r"(?m)^service (\w+) \{", protos))
    assert set(CALLERS) == set(rpcs())


def test_the_table_has_people_for_every_rpc_that_is_called_on_their_behalf() -> None:
    for_people = {name for name, callers in CALLERS.items() if set(FOR_PEOPLE) <= set(callers.split())}
    assert {name.partition(":")[0] for name in CARRIED} == for_people
    others = {callers for name, callers in CALLERS.items() if name not in for_people}
    assert others == {"payment", "ops", "bff"}
