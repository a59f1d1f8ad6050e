"""What a run acts with."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from devkit.chaos.clients.apps import Edge
from devkit.chaos.clients.journeys import Journeys
from devkit.chaos.clients.people import People
from devkit.chaos.faults import FaultInjector
from devkit.chaos.ledger import Ledger
from devkit.chaos.mesh import Mesh


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of a run. `control` calls the sandbox's control routes; `offers` are the fields that the edge has."""

    mesh: Mesh
    control: httpx.AsyncClient
    injector: FaultInjector
    edge: Edge
    journeys: Journeys
    people: People
    offers: frozenset[str]
    ledger: Ledger
