"""What an overlay of deploy/k8s makes, as the tests of this folder read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

#: What an operator puts into the secrets, by "secret/key". A database's key is the same for each service.
SECRETS = {
    "payment/STRIPE_SECRET_KEY": "sk_live_1",
    "payment/STRIPE_WEBHOOK_SECRET": "whsec_live",
    "payment/LINK_SECRET": "l" * 32,
    "payment/SMTP_URL": "smtps://me:secret@mail.example.com:465",
    "payment/NOTIFY_WEBHOOK_URL": "https://shop.example.com/hooks",
    "payment/NOTIFY_WEBHOOK_SECRET": "n" * 16,
    "postgres/server-url": "postgresql://tutormesh:secret@postgres:5432",
    "postgres/password": "secret",
}
DATABASE = "postgresql+asyncpg://tutormesh:secret@postgres.example.com/tutormesh"


@dataclass(frozen=True, slots=True)
class Pod:
    """The pods of one Deployment, StatefulSet, Job or CronJob."""

    kind: str
    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: dict[str, Any]

    @property
    def container(self) -> dict[str, Any]:
        """The one container that is no init container."""
        (found,) = self.spec["containers"]
        return dict(found)

    @property
    def containers(self) -> list[dict[str, Any]]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def ports(self) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for port in self.container.get("ports", [])}


@dataclass(frozen=True)
class Rendered:
    """The objects of one overlay."""

    overlay: str
    objects: list[dict[str, Any]]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The objects of a kind by their names."""
        return {one["metadata"]["name"]: one for one in self.objects if one["kind"] == kind}

    @cached_property
    def pods(self) -> dict[str, Pod]:
        """By the name of what starts them."""
        return {pod.name: pod for pod in self._read_pods()}

    @cached_property
    def scaled(self) -> dict[str, Pod]:
        """The pods of the processes that have replicas."""
        labelled = self.of("Deployment").items()
        return {name: self.pods[name] for name, one in labelled if "tutormesh/scales" in one["metadata"]["labels"]}

    def environment(self, container: Mapping[str, Any]) -> dict[str, str]:
        """What a container finds in its environment, once the secrets are filled."""
        maps = self.of("ConfigMap")
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            found |= maps[source["configMapRef"]["name"]]["data"]
        return (
            found
            | {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}
            | filled(container)
        )

    def _read_pods(self) -> Iterator[Pod]:
        for one in self.objects:
            spec = one.get("spec", {})
            template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
            if template is not None:
                about = template["metadata"]
                name, annotations = one["metadata"]["name"], about.get("annotations", {})
                yield Pod(one["kind"], name, about["labels"], annotations, template["spec"])


def filled(container: Mapping[str, Any]) -> dict[str, str]:
    """The variables that come from secrets, with a value that an operator could give."""
    found = {}
    for one in container.get("env", []):
        if "valueFrom" in one:
            asked = one["valueFrom"]["secretKeyRef"]
            found[one["name"]] = SECRETS.get(f"{asked['name']}/{asked['key']}", DATABASE)
    return found
