"""The objects that Kubernetes is given: of the right form, locked down, and fit to be replaced while people are served."""

from __future__ import annotations

import importlib.util
import os
from functools import cache

import kubernetes_validate
import pytest

from bff.http.middleware import MAX_REQUESTS
from mesh.server import MAX_CALLS
from ops.__main__ import main
from tests.deploy.rendered import Pod, Rendered

#: The oldest release of Kubernetes that knows all that is used, and the newest that can be asked about here.
OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()
#: kubernetes_validate knows what Kubernetes brings along; test_certificates.py looks at these.
OF_OTHERS = {"Certificate", "Issuer"}


@pytest.fixture(autouse=True)
def schemas_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_validate.utils, "schema_contents", SCHEMAS)


SCHEMAS = cache(kubernetes_validate.utils.schema_contents)


@pytest.mark.parametrize("release", [OLDEST, NEWEST] if os.environ.get("FULL") else [OLDEST])
def test_every_object_has_kubernetes_own_form(rendered: Rendered, release: str) -> None:
    known = [one for one in rendered.objects if one["kind"] not in OF_OTHERS]
    assert len(known) > 30
    for one in known:
        kubernetes_validate.validate(one, release, strict=True)


def test_every_object_is_in_the_namespace_and_has_a_name_of_its_own(rendered: Rendered) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in rendered.objects]
    assert len(set(names)) == len(names)
    for one in rendered.objects:
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "tutormesh"


def test_no_process_is_root_can_write_or_speaks_to_the_cluster(rendered: Rendered) -> None:
    assert {"payment", "bff", "migrate", "ops", "audit"} <= rendered.pods.keys()
    for pod in rendered.pods.values():
        of_pod = pod.spec["securityContext"]
        assert of_pod["runAsNonRoot"] and of_pod["runAsUser"] > 0
        assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod.spec["automountServiceAccountToken"] is False
        assert pod.spec["enableServiceLinks"] is False  # PAYMENT_PORT=tcp://… would be a setting
        for container in pod.containers:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["name"] == "databases" or container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert container["name"] == "databases" or "memory" in container["resources"]["limits"]


def test_a_certificate_is_in_the_pods_of_its_service_alone(rendered: Rendered) -> None:
    for pod in rendered.pods.values():
        secrets = {one["name"]: one["secret"] for one in pod.spec.get("volumes", []) if "secret" in one}
        if not secrets:
            assert pod.name in {"migrate", "postgres", "sandbox"}
            continue
        service = "ops" if pod.name == "audit" else pod.name
        assert pod.labels["app.kubernetes.io/name"] == pod.name
        assert secrets == {"certificate": {"secretName": f"{service}-certificate", "defaultMode": 0o440}}
        (mount,) = (one for one in pod.container["volumeMounts"] if one["name"] == "certificate")
        assert mount["readOnly"] and "subPath" not in mount  # which would never be renewed
        assert pod.spec["securityContext"]["fsGroup"] == pod.spec["securityContext"]["runAsGroup"]


def test_every_mount_has_its_volume_and_every_variable_one_value(rendered: Rendered) -> None:
    for pod in rendered.pods.values():
        volumes = [one["name"] for one in pod.spec.get("volumes", [])]
        claims = rendered.of("StatefulSet").get(pod.name, {}).get("spec", {}).get("volumeClaimTemplates", [])
        volumes += [one["metadata"]["name"] for one in claims]
        mounts = [one for container in pod.containers for one in container.get("volumeMounts", [])]
        assert len(set(volumes)) == len(volumes) and {one["name"] for one in mounts} == set(volumes)
        for container in pod.containers:
            names = [one["name"] for one in container.get("env", [])]
            assert len(set(names)) == len(names)


def test_a_secret_is_named_and_never_there(rendered: Rendered) -> None:
    assert rendered.of("Secret") == {}


def test_every_command_is_one_of_ours(rendered: Rendered) -> None:
    asked = [one["command"] for pod in rendered.pods.values() for one in pod.containers if "command" in one]
    for command in asked:
        if command == ["sleep", "infinity"]:
            continue
        assert command[:2] == ["python", "-m"]
        name, *arguments = command[2:]
        assert importlib.util.find_spec(f"{name}.__main__" if name != "devkit.databases" else name)
        if name == "ops":
            context = main.make_context("tutormesh", arguments)
            chosen = main.get_command(context, arguments[0])
            assert chosen is not None
            chosen.make_context(arguments[0], arguments[1:])  # raises for an option that there is not
    assert ["python", "-m", "ops", "migrate"] in asked


def test_a_new_pod_waits_for_the_migration_and_its_deployment_for_the_pod(production: Rendered) -> None:
    for name, pod in production.scaled.items():
        waits = [one for one in pod.spec.get("initContainers", []) if "--check" in one["command"]]
        assert len(waits) == (name != "bff")
        for one in waits:
            given = [f"{name.upper()}_DATABASE_URL", f"{name.upper()}_DATABASE_DIRECT_URL"]
            assert list(production.environment(one)) == given
            deadline = production.of("Deployment")[name]["spec"]["progressDeadlineSeconds"]
            assert int(one["command"][-1]) < deadline


def test_the_job_migrates_every_database_that_a_service_has(rendered: Rendered) -> None:
    job = rendered.pods["migrate"]
    services = rendered.scaled.keys() - {"bff"}
    assert set(rendered.environment(job.container)) == {f"{name.upper()}_DATABASE_URL" for name in services}


def test_replicas_are_replaced_one_by_one_and_are_not_on_one_node(production: Rendered) -> None:
    assert len(production.scaled) == 6
    for name, pod in production.scaled.items():
        spec = production.of("Deployment")[name]["spec"]
        assert "replicas" not in spec  # an apply would undo the scaler
        assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        assert spec["selector"]["matchLabels"].items() <= pod.labels.items()
        for spread in pod.spec["topologySpreadConstraints"]:
            assert spread["labelSelector"]["matchLabels"].items() <= pod.labels.items()
            assert not spread["labelSelector"]["matchLabels"].keys() & set(spread["matchLabelKeys"])
        budget = production.of("PodDisruptionBudget")[name]["spec"]
        assert budget["selector"]["matchLabels"] == spec["selector"]["matchLabels"]
        assert budget["maxUnavailable"] == 1


def test_the_scaler_adds_replicas_before_a_process_is_full(production: Rendered) -> None:
    scalers = production.of("HorizontalPodAutoscaler")
    assert scalers.keys() == production.scaled.keys()
    for name, scaler in scalers.items():
        assert scaler["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        assert 2 <= scaler["spec"]["minReplicas"] < scaler["spec"]["maxReplicas"]
        cpu, under_way = scaler["spec"]["metrics"]
        assert cpu["resource"]["name"] == "cpu" and production.scaled[name].container["resources"]["requests"]["cpu"]
        full = MAX_REQUESTS if name == "bff" else MAX_CALLS
        assert int(under_way["pods"]["target"]["averageValue"]) == full // 4


def seconds_to_end(pod: Pod, delay: float, drain: float) -> float:
    """How long a pod takes from the moment in which Kubernetes ends it. Payment's sagas get the drain time once more."""
    before = pod.container["lifecycle"]["preStop"]["sleep"]["seconds"]
    return float(before + delay + drain * (2 if pod.name == "payment" else 1))
