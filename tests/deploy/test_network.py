"""The NetworkPolicies let connect who may call, by the callers that the protos declare, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.access.table import CALLERS
from tests.deploy.rendered import Rendered

#: The process that serves each gRPC service.
SERVED_BY = {
    "AvailabilityService": "availability",
    "BookingService": "booking",
    "LearningService": "learning",
    "LinkService": "payment",
    "NotificationService": "payment",
    "PaymentService": "payment",
    "SagaService": "payment",
    "SessionService": "session",
}
NAME, INTERNAL = "app.kubernetes.io/name", {"tutormesh/internal": "true"}
OURS = {"kubernetes.io/metadata.name": "tutormesh"}


@dataclass(frozen=True, slots=True)
class Peer:
    """A pod in its namespace, as policies see it."""

    labels: Mapping[str, str]
    namespace: Mapping[str, str]
    ports: Mapping[str, int]


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Kubernetes' label selectors, as far as they are used here."""
    assert selector.keys() <= {"matchLabels", "matchExpressions"}
    for one in selector.get("matchExpressions", []):
        assert one["operator"] == "In"
        if labels.get(one["key"]) not in one["values"]:
            return False
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def has_peer(rules: list[dict[str, Any]], key: str, peer: Peer, port: int, ports: Mapping[str, int]) -> bool:
    """Whether one of the rules names this peer and this port. A rule without peers or without ports names all."""
    for rule in rules:
        named = [one["port"] for one in rule.get("ports", [])]
        if named and port not in [ports.get(one) if isinstance(one, str) else one for one in named]:
            continue
        if key not in rule or any(_is_peer(one, peer) for one in rule[key]):
            return True
    return False


def _is_peer(chosen: Mapping[str, Any], peer: Peer) -> bool:
    if "ipBlock" in chosen:
        return False  # addresses outside of the cluster
    if "namespaceSelector" in chosen:
        if not matches(chosen["namespaceSelector"], peer.namespace):
            return False
    elif peer.namespace != OURS:
        return False
    return matches(chosen.get("podSelector", {}), peer.labels)


def may_connect(rendered: Rendered, source: Peer, target: Peer, port: int) -> bool:
    """The source may send, and the target may receive."""
    policies = [one["spec"] for one in rendered.of("NetworkPolicy").values()]
    return _allows(policies, "Egress", source, target, port, target.ports) and _allows(
        policies, "Ingress", target, source, port, target.ports
    )


def _allows(
    policies: list[dict[str, Any]], way: str, subject: Peer, other: Peer, port: int, ports: Mapping[str, int]
) -> bool:
    if subject.namespace != OURS:
        return True
    about = [one for one in policies if way in one["policyTypes"] and matches(one["podSelector"], subject.labels)]
    key = "to" if way == "Egress" else "from"
    return not about or any(has_peer(one.get(way.lower(), []), key, other, port, ports) for one in about)


def peers(rendered: Rendered) -> dict[str, Peer]:
    """Every pod of the overlay, and some of other people's."""
    found = {name: Peer(pod.labels, OURS, pod.ports) for name, pod in rendered.pods.items()}
    elsewhere = {"kubernetes.io/metadata.name": "elsewhere"}
    return found | {
        "internal": Peer(INTERNAL, elsewhere, {}),
        "impostor": Peer({NAME: "bff"}, elsewhere, {}),
        "neighbour": Peer({NAME: "neighbour"}, OURS, {}),
        "front": Peer({NAME: "ingress"}, elsewhere | {"tutormesh/front": "true"}, {}),
        "prometheus": Peer({NAME: "prometheus"}, elsewhere | {"tutormesh/monitoring": "true"}, {}),
    }


def declared() -> dict[str, set[str]]:
    """Who may call each process. `demo` is the demo data's loader, for a developer's machine."""
    found: dict[str, set[str]] = {}
    for rpc, callers in CALLERS.items():
        found.setdefault(SERVED_BY[rpc.partition(".")[0]], set()).update(callers.split())
    return {name: callers - {"demo"} for name, callers in found.items()}


def connections(rendered: Rendered, port: str) -> Iterator[tuple[str, str]]:
    """Every pair of pods, of which the first may connect to a port of the second."""
    known = peers(rendered)
    for source, one in known.items():
        for target, other in known.items():
            if port in other.ports and source != target and may_connect(rendered, one, other, other.ports[port]):
                yield source, target


def test_whoever_may_call_a_service_can_connect_to_it_and_nobody_else(rendered: Rendered) -> None:
    wanted = {(caller, name) for name, callers in declared().items() for caller in callers}
    wanted |= {("audit", name) for name in declared()}  # it has the operator's certificate
    assert len(wanted) > 20
    assert set(connections(rendered, "grpc")) == wanted


@pytest.mark.parametrize("way", ["Egress", "Ingress"])
def test_each_half_of_the_policies_says_the_same(production: Rendered, way: str) -> None:
    """So that one of them alone keeps out whoever may not call."""
    policies = [one["spec"] for one in production.of("NetworkPolicy").values()]
    ours = {name: one for name, one in peers(production).items() if name in production.pods}
    found = set()
    for source, one in ours.items():
        for target in declared().keys() - {source}:
            ends = (one, ours[target]) if way == "Egress" else (ours[target], one)
            if _allows(policies, way, *ends, ours[target].ports["grpc"], ours[target].ports):
                found.add((source, target))
    callers = {(caller, name) for name, names in declared().items() for caller in names & ours.keys()}
    assert found == callers | {("audit", name) for name in declared()}


def test_the_edge_is_reached_from_the_front_alone(production: Rendered, dev: Rendered) -> None:
    assert set(connections(production, "http")) == {("front", "bff")}
    assert set(connections(dev, "http")) == {("front", "bff"), ("sandbox", "bff")}


def test_metrics_are_read_by_prometheus_alone(rendered: Rendered) -> None:
    assert set(connections(rendered, "metrics")) == {("prometheus", name) for name in rendered.scaled}


def test_probes_ports_are_for_the_node_alone(rendered: Rendered) -> None:
    assert set(connections(rendered, "health")) == set()


def test_the_sandbox_and_the_database_of_a_developer_are_reached_by_their_users(dev: Rendered) -> None:
    assert set(connections(dev, "stripe")) == {("payment", "sandbox"), ("bff", "sandbox")}
    users = {*declared(), "migrate"}
    assert set(connections(dev, "postgres")) == {(name, "postgres") for name in users}


@pytest.mark.parametrize("name", ["ops", "audit", "migrate"])
def test_whoever_asks_no_issuer_and_no_provider_stays_in_the_cluster(production: Rendered, name: str) -> None:
    labels = production.pods[name].labels
    open_to_all = [
        one["metadata"]["name"]
        for one in production.of("NetworkPolicy").values()
        if matches(one["spec"]["podSelector"], labels)
        for rule in one["spec"].get("egress", [])
        if any("ipBlock" in peer for peer in rule.get("to", []))
    ]
    assert open_to_all == []
