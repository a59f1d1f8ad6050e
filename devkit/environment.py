"""The environment variables of each process of the mesh: its settings, and the secrets that it alone needs."""

from __future__ import annotations

from collections.abc import Mapping

from devkit.keys import read_or_make_secret
from devkit.layout import CALLERS, HOST, PROGRAMS, Layout, Misconfigured
from mesh import tracing
from mesh.production import SANDBOX_KEYS

__all__ = ["SANDBOX_KEYS", "check_stripe_settings", "environment", "programs", "shared_settings", "uses_sandbox"]

SANDBOX_MAIL = {
    "NOTIFY_EMAIL_FROM": "tutormesh <no-reply@tutormesh.example.com>",
    "NOTIFY_EMAIL_TO": "{person_id}@people.example.com",
}
#: The events that the webhook endpoint has asked for: those of docs/going-live.md.
WEBHOOK_EVENTS = (
    *("payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled"),
    *("refund.created", "refund.updated", "refund.failed", "charge.refunded", "charge.refund.updated"),
    *("charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"),
)
#: Where lessons are held unless the user names another place.
MEETING_LINK = "https://meet.jit.si/tutormesh-{room}"
#: Nothing stands in front of the edge here that would have to learn of its stop.
DRAIN_DELAY = "0.1"
#: Connections to a peer where replicas share a port. The kernel chooses a replica for each: of two, both get some of 16.
PEER_CONNECTIONS = 16
CALLED = ("availability", "booking", "learning", "payment", "session")
#: Settings that only some processes get: the functions below give them to these.
_WITHHELD = (
    *("STRIPE_", "PAYMENT_ENGINE_", "QUOTE_SECRET", "LINK_SECRET", "NOTIFY_", "SMTP_"),
    *("TUTORMESH_DATABASE", "DATABASE_", "SERVICE_TOKEN_FILE", "DEMO_TOKENS_FILE", "OPS_TOKEN"),
    *("MESH_CERT_", "MESH_KEY_", "MESH_CA_", "HEALTH_PORT", "METRICS_PORT"),
)
#: The settings of payment_svc that hold its secrets.
_OF_PAYMENT = ("PAYMENT_ENGINE_", "QUOTE_SECRET")


def uses_sandbox(settings: Mapping[str, str]) -> bool:
    """False when the settings name a real Stripe account: a key of its own, and no STRIPE_API_BASE."""
    key = settings.get("STRIPE_SECRET_KEY", SANDBOX_KEYS["STRIPE_SECRET_KEY"])
    return key == SANDBOX_KEYS["STRIPE_SECRET_KEY"] or "STRIPE_API_BASE" in settings


def check_stripe_settings(settings: Mapping[str, str]) -> None:
    """Raise Misconfigured when the settings name a real Stripe account without its webhook secret."""
    if not uses_sandbox(settings) and "STRIPE_WEBHOOK_SECRET" not in settings:
        raise Misconfigured("STRIPE_WEBHOOK_SECRET: is missing, and STRIPE_SECRET_KEY names a real Stripe account")


def environment(layout: Layout, name: str, database_url: str | None = None, replica: int = 1) -> dict[str, str]:
    """The whole environment of a program. Raises Misconfigured when a real Stripe account lacks its webhook secret."""
    own = sandbox_settings(layout) if name == "sandbox" else service_settings(layout, name)
    if database_url is not None:
        given = dict.fromkeys(("DATABASE_URL", "DATABASE_DIRECT_URL"), database_url)
        own |= (
            given | {f"{name.upper()}_{setting}": url for setting, url in given.items()} | {"DATABASE_POOLER": "none"}
        )
    if (metrics := layout.metrics_port(name, replica)) is not None:
        own["METRICS_PORT"] = str(metrics)
    if name == "payment":
        own |= stripe_settings(layout) | notification_settings(layout) | link_settings(layout)
        own |= {name: value for name, value in layout.settings.items() if name.startswith(_OF_PAYMENT)}
    elif name == "session":
        own["MEETING_LINK_TEMPLATE"] = layout.settings.get("MEETING_LINK_TEMPLATE", MEETING_LINK)
    elif name == "bff":
        stripe = stripe_settings(layout)
        own |= {name: stripe.get(name, "") for name in ("STRIPE_PUBLISHABLE_KEY", "STRIPE_API_BASE")}
        own["PUBLIC_AVAILABILITY"] = layout.settings.get("PUBLIC_AVAILABILITY", "true")
        own["DEMO_TOKENS_FILE"] = str(layout.demo_tokens_file)
    return shared_settings(layout.settings) | own


def service_settings(layout: Layout, name: str) -> dict[str, str]:
    """What every service needs: its address, who its callers are, and its peers. A caller has an identity of its own."""
    return {
        "HOST": HOST,
        "PORT": str(layout.port(name)),
        "REUSE_PORT": str(layout.replicas(name) > 1).lower(),
        "AUTH_ISSUER": layout.issuer,
        "AUTH_AUDIENCE": layout.audience,
        "AUTH_JWKS_URL": (layout.keys / "jwks.json").as_uri(),
        **_identity(layout, name),
        "LOG_FORMAT": layout.settings.get("LOG_FORMAT", "console"),
        "DRAIN_DELAY_SECONDS": layout.settings.get("DRAIN_DELAY_SECONDS", DRAIN_DELAY),
        **_traces(layout, name),
        **{f"{other.upper()}_ADDRESS": layout.address(other) for other in CALLED},
        "PEER_CONNECTIONS": str(PEER_CONNECTIONS if any(layout.replicas(other) > 1 for other in CALLED) else 1),
    }


def _traces(layout: Layout, name: str) -> dict[str, str]:
    """A file for the service's spans, unless the user's settings send them to a collector."""
    collector = tracing.names_a_collector(layout.settings)
    return {} if collector else {"TRACES_FILE": layout.settings.get("TRACES_FILE", str(layout.traces_file(name)))}


def _identity(layout: Layout, name: str) -> dict[str, str]:
    """Who the service is to others: its certificate, or the token of one that calls others."""
    if layout.mesh_tls == "on":
        return {"MESH_TLS": "on", "MESH_CERT_DIR": str(layout.certificates / name)}
    return {"SERVICE_TOKEN_FILE": str(layout.token_file(name))} if name in CALLERS else {}


def stripe_settings(layout: Layout) -> dict[str, str]:
    """How to reach Stripe: the sandbox, or the account that the user's settings name."""
    check_stripe_settings(layout.settings)
    given = {name: value for name, value in layout.settings.items() if name.startswith("STRIPE_")}
    if not uses_sandbox(layout.settings):
        return given
    defaults = {"STRIPE_API_BASE": layout.url("sandbox"), "STRIPE_WEBHOOK_SECRET": _webhook_secret(layout)}
    return SANDBOX_KEYS | defaults | given


def notification_settings(layout: Layout) -> dict[str, str]:
    """The channels for messages: the user's, and mail to the sandbox's mailbox when the user names no mail server."""
    given = {name: value for name, value in layout.settings.items() if name.startswith(("NOTIFY_", "SMTP_"))}
    if "SMTP_URL" in given or not uses_sandbox(layout.settings) or layout.settings.get("TUTORMESH_MAIL") == "off":
        return given
    return SANDBOX_MAIL | given | {"SMTP_URL": f"smtp://{HOST}:{layout.mail_port}"}


def link_settings(layout: Layout) -> dict[str, str]:
    """Where the pages live, by default at this mesh's own edge; their links' secret; the shop as a page to lead to."""
    names = ("PUBLIC_URL", "LINK_SECRET", "RETURN_ORIGINS")
    given = {name: value for name, value in layout.settings.items() if name in names}
    if "LINK_SECRET" not in given:
        given["LINK_SECRET"] = read_or_make_secret(layout.keys / "links.secret")
    edge = layout.url("bff")
    of_shop = ",".join((edge, edge.replace(HOST, "localhost")))
    return {"PUBLIC_URL": edge, "RETURN_ORIGINS": of_shop} | given


def sandbox_settings(layout: Layout) -> dict[str, str]:
    """The settings of the Stripe sandbox."""
    return {
        "SANDBOX_HOST": HOST,
        "SANDBOX_PORT": str(layout.port("sandbox")),
        "SANDBOX_SMTP_PORT": str(layout.mail_port),
        "SANDBOX_DATA": str(layout.data / "stripe"),
        "SANDBOX_WEBHOOK_URL": f"{layout.url('bff')}/webhooks/stripe",
        "SANDBOX_WEBHOOK_EVENTS": ",".join(WEBHOOK_EVENTS),
        "STRIPE_WEBHOOK_SECRET": stripe_settings(layout)["STRIPE_WEBHOOK_SECRET"],
    }


def programs(settings: Mapping[str, str]) -> list[str]:
    """The names of this mesh's programs, in the order of the summary."""
    return [name for name in PROGRAMS if name != "sandbox" or uses_sandbox(settings)]


def _webhook_secret(layout: Layout) -> str:
    return read_or_make_secret(layout.keys / "stripe-webhook.secret", "whsec_")


def shared_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """The user's environment without secrets, and without settings that differ by process."""
    shown = {
        name: value
        for name, value in settings.items()
        if not name.startswith(_WITHHELD) and not name.endswith(("_DATABASE_URL", "_DATABASE_DIRECT_URL"))
    }
    return shown | {"PYTHONUNBUFFERED": "1"}
