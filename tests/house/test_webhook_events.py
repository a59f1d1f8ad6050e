"""The events that a webhook endpoint asks for are those that payment_svc uses, wherever they are listed."""

from __future__ import annotations

import re

import yaml

from devkit.environment import WEBHOOK_EVENTS
from payment_svc.settling.verdicts import ASKED_FOR
from tests.house.conftest import ROOT


def test_the_guide_names_them() -> None:
    section = (ROOT / "docs/going-live.md").read_text().partition("\n### Stripe")[2].partition("\n### ")[0]
    assert set(re.findall(r"`((?:payment_intent|refund|charge)\.[\w.]+)`", section)) == ASKED_FOR


def test_make_up_and_compose_and_kubernetes_ask_for_them() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["sandbox"]["environment"]
    documents = yaml.safe_load_all((ROOT / "deploy/k8s/overlays/dev/sandbox.yaml").read_text())
    pods = (document["spec"]["template"]["spec"] for document in documents if document["kind"] == "Deployment")
    given = {item["name"]: item.get("value", "") for pod in pods for item in pod["containers"][0]["env"]}
    assert set(WEBHOOK_EVENTS) == ASKED_FOR
    assert set(compose["SANDBOX_WEBHOOK_EVENTS"].split()) == ASKED_FOR
    assert set(given["SANDBOX_WEBHOOK_EVENTS"].split()) == ASKED_FOR
