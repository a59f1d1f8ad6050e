"""The environment of each container: what the process of that container starts with, and nothing that nobody reads."""

from __future__ import annotations

import importlib
import json
import os
import re
from pathlib import Path
from unittest import mock

import pytest
from pydantic_settings import BaseSettings

import payment_svc.__main__
from devkit.certificates import authority
from devkit.sandbox.settings import load as load_sandbox
from mesh.certificates import Certificates
from mesh.settings import Hidden, ServiceSettings, load
from ops.environment import addresses, credentials
from tests.deploy.conftest import OVERLAYS, ROOT, render
from tests.deploy.rendered import Pod, Rendered, filled
from tests.deploy.test_objects import seconds_to_end
from tests.house.test_env_example import names_read, settings_of

SHOWN = set(re.findall(r"(?m)^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text()))
SERVICES = ("availability", "bff", "booking", "learning", "payment", "session")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each service, as cert-manager would fill its secret."""
    folder = tmp_path_factory.mktemp("certificates")
    own = authority(folder / "authority.pem")
    for name in (*SERVICES, "ops"):
        own.issue(name, folder / name)
    return folder


def kind_of(pod: Pod) -> type[BaseSettings]:
    (kind,) = (one for one in settings_of(pod.container["command"][2]) if one.__name__ == "Settings")
    return kind


def start(rendered: Rendered, name: str, certificates: Path, **others: str) -> ServiceSettings:
    """Check the settings as the process does when it starts. Raises SystemExit where the process would end."""
    pod = rendered.scaled[name]
    environment = rendered.environment(pod.container)
    # Its certificates are where the volume is mounted, and nowhere in this machine.
    mounted = {one["mountPath"] for one in pod.container["volumeMounts"] if one["name"] == "certificate"}
    assert {environment["MESH_CERT_DIR"]} == mounted
    environment |= {"MESH_CERT_DIR": str(certificates / name)} | others
    with mock.patch.dict(os.environ, environment, clear=True):
        settings = load(kind_of(pod))
        if name == "payment":
            payment_svc.__main__._load_asked_engines(settings)
        if name == "bff":
            settings.options()
    assert isinstance(settings, ServiceSettings)
    return settings


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_process_starts_with_what_it_is_given(
    overlay: str, name: str, certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # there is no .env in a container
    rendered = render(overlay)
    pod = rendered.scaled[name]
    if overlay == "dev":
        monkeypatch.setattr("tests.deploy.rendered.SECRETS", OF_DEV)
    settings = start(rendered, name, certificates)
    assert settings.is_production == (overlay == "production")
    assert settings.certificates is not None and settings.plaintext_fault() is None
    assert settings.certificates.current().identity == f"spiffe://tutormesh/{name}"
    assert settings.port == pod.ports["http" if name == "bff" else "grpc"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = pod.container[probe]
        if name == "bff":
            assert asked["httpGet"]["port"] == "http" and asked["httpGet"]["path"] in ROUTES
        else:
            assert asked["grpc"] == {"port": settings.health_port} == {"port": pod.ports["health"]}
    hidden = {found.upper() for found, value in settings if isinstance(value, Hidden)}
    own = {one: f"{name.upper()}_{one}" for one in ("DATABASE_URL", "DATABASE_DIRECT_URL")}
    assert {own.get(one, one) for one in hidden} == filled(pod.container).keys()
    delay, drain = getattr(settings, "drain_delay_seconds", 0.0), settings.drain_seconds
    assert seconds_to_end(pod, delay, drain) * 1.5 < pod.spec["terminationGracePeriodSeconds"]


OF_DEV = {
    "payment/STRIPE_SECRET_KEY": "sk_test_sandbox",
    "payment/STRIPE_WEBHOOK_SECRET": "whsec_sandbox",
    "payment/LINK_SECRET": "l" * 32,
    "payment/SMTP_URL": "smtp://sandbox:12112",
    "payment/NOTIFY_WEBHOOK_URL": "https://shop.example.com/hooks",
    "payment/NOTIFY_WEBHOOK_SECRET": "n" * 16,
}
ROUTES = set(re.findall(r'Route\("(/\w+)"', (ROOT / "bff/app.py").read_text()))


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("payment", "STRIPE_SECRET_KEY", "sk_test_sandbox"),
        ("payment", "LINK_SECRET", ""),
        ("payment", "PUBLIC_URL", "http://app.example.com"),
        ("bff", "MESH_TLS", "off"),
        ("booking", "MESH_TLS", "off"),
        ("session", "AUTH_ISSUER", "tutormesh-dev"),
        ("learning", "LEARNING_DATABASE_URL", ""),
        ("availability", "AUTH_JWKS_URL", "file:///var/run/public-keys/jwks.json"),
    ],
)
def test_production_is_refused_what_is_wrong(
    production: Rendered,
    name: str,
    setting: str,
    value: str,
    certificates: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the check above is one that can fail."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        start(production, name, certificates, **{setting: value})


@pytest.mark.parametrize("name", ["ops", "audit"])
def test_the_operators_commands_find_the_mesh_and_are_the_operator(
    production: Rendered, name: str, certificates: Path
) -> None:
    environment = production.environment(production.pods[name].container)
    assert environment["MESH_CERT_DIR"] in [one["mountPath"] for one in production.pods[name].container["volumeMounts"]]
    environment["MESH_CERT_DIR"] = str(certificates / "ops")
    assert addresses(environment)["payment"] == "dns:///payment:50052"
    found = credentials(environment)
    assert isinstance(found, Certificates) and found.current().identity == "spiffe://tutormesh/ops"


def test_the_sandbox_starts_with_what_it_is_given(dev: Rendered) -> None:
    pod = dev.pods["sandbox"]
    settings = load_sandbox(dev.environment(pod.container))
    assert {"stripe": settings.port, "smtp": settings.smtp_port} == pod.ports
    mounts = [one["mountPath"] for one in pod.container["volumeMounts"]]
    assert any(Path(settings.data).is_relative_to(mount) for mount in mounts)
    payment = dev.environment(dev.pods["payment"].container)
    assert payment["STRIPE_API_BASE"] == f"http://sandbox:{settings.port}"
    assert settings.webhook_url == f"http://bff:{dev.pods['bff'].ports['http']}/webhooks/stripe"


def test_every_setting_that_is_given_is_read(rendered: Rendered) -> None:
    """Of a ConfigMap for one process by that process, of the one for all by somebody."""
    read = {name: names_read(kind_of(pod)) for name, pod in rendered.scaled.items()}
    for name, pod in rendered.scaled.items():
        assert filled(pod.container).keys() <= read[name] & SHOWN, name
    for name, given in rendered.of("ConfigMap").items():
        owner = name.rpartition("-")[0]
        known = read[owner] if owner in read else set().union(*read.values())
        assert given["data"].keys() <= known & SHOWN, name


def test_every_pod_gets_the_settings_of_all(rendered: Rendered) -> None:
    (common,) = (name for name in rendered.of("ConfigMap") if name.startswith("settings-"))
    for name in (*rendered.scaled, "ops", "audit"):
        assert {"configMapRef": {"name": common}} in rendered.pods[name].container["envFrom"]


def test_an_address_is_that_of_a_service_with_all_replicas(rendered: Rendered) -> None:
    environment = rendered.environment(rendered.pods["ops"].container)
    addresses = {name: value for name, value in environment.items() if name.endswith("_ADDRESS")}
    assert len(addresses) == 5
    for setting, address in addresses.items():
        found = re.fullmatch(r"dns:///(\w+):(\d+)", address)
        assert found, f"{setting} finds no new replicas"
        name = setting.removesuffix("_ADDRESS").lower()
        service, pod = rendered.of("Service")[found[1]]["spec"], rendered.pods[name]
        assert found[1] == name and service["clusterIP"] == "None"
        assert service["selector"].items() <= pod.labels.items()
        (port,) = service["ports"]
        assert port["port"] == int(found[2]) == pod.ports[port["targetPort"]]


def test_no_selector_of_a_service_finds_the_pods_of_another(rendered: Rendered) -> None:
    for name, service in rendered.of("Service").items():
        chosen = {
            pod.name for pod in rendered.pods.values() if service["spec"]["selector"].items() <= pod.labels.items()
        }
        assert chosen == {name}
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in rendered.pods[name].ports


def test_prometheus_finds_the_port_of_the_metrics(rendered: Rendered) -> None:
    for pod in rendered.scaled.values():
        port = rendered.environment(pod.container)["METRICS_PORT"]
        assert pod.annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": port}
        assert pod.ports["metrics"] == int(port)


def test_the_scalers_ask_for_metrics_that_the_process_has(production: Rendered) -> None:
    metrics = {
        "bff": importlib.import_module("bff.http.metrics").UNDER_WAY,
        "grpc": importlib.import_module("mesh.metrics.rpc").UNDER_WAY,
    }
    for name, scaler in production.of("HorizontalPodAutoscaler").items():
        asked = scaler["spec"]["metrics"][1]["pods"]["metric"]
        (family,) = metrics["bff" if name == "bff" else "grpc"].describe()
        assert (asked["name"], family.type) == (family.name, "gauge")
        labels = asked.get("selector", {}).get("matchLabels", {})
        assert tuple(labels) == metrics["bff" if name == "bff" else "grpc"]._labelnames
        source = (ROOT / "mesh/server.py").read_text()
        assert all(f"UNDER_WAY.labels({json.dumps(value)})" in source for value in labels.values())
