"""The settings of the edge, and the options that follow from them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from bff.persisted_operations import PersistedOperations, load_documents
from mesh.production import SANDBOX_KEYS
from mesh.settings import Address, ServiceSettings

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator decides about the public API. The defaults are those of `make up`."""

    #: Stripe's key for the apps; a payload shows it beside a client secret.
    publishable_key: str | None = None
    #: May clients ask for the schema?
    introspection: bool = True
    persisted_operations: PersistedOperations = field(default_factory=PersistedOperations)
    #: Web pages of these origins may call ("https://app.example.org"); "*" is every origin.
    cors_origins: tuple[str, ...] = ()
    #: Request headers that they may send besides the usual ones.
    cors_headers: tuple[str, ...] = ()
    #: max-age of Strict-Transport-Security in seconds; 0 sends no such header.
    hsts_seconds: int = 0
    #: Tokens of demo people, which the explorer takes by itself. Never in production.
    demo_tokens_file: Path | None = None
    #: The networks of proxies whose X-Forwarded-For is believed.
    trusted_proxies: tuple[Network, ...] = ()
    #: Where the Stripe sandbox is, when it is the provider: the pages' payment form asks it, through the edge.
    sandbox_url: str | None = None
    #: May anybody read free times, listed tutors and published courses without a token?
    public_availability: bool = False
    #: In production there is no page that only a developer's machine has.
    is_production: bool = False


def _check_publishable_key(value: str) -> str:
    """Every student sees this key: a secret key put here by mistake must be refused."""
    if not value.startswith("pk_"):
        raise ValueError("must be a publishable key, which starts with pk_")
    return value


def _check_origins(value: str) -> str:
    """RFC 6454: an origin is scheme, host and port, and nothing more."""
    for origin in value.split(","):
        if not re.fullmatch(r"\s*(\*|https?://[^\s/?#,*]+)?\s*", origin):
            raise ValueError(f"{origin.strip()!r:.100} is not an origin such as https://app.example.org")
    return value


#: The header with the token of a link (bff.pages.asking).
_OWN_HEADER = "link-token"


def _check_headers(value: str) -> str:
    """RFC 9110, 5.1: a field name is a token."""
    for name in _split(value):
        if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name, re.ASCII):
            raise ValueError(f"{name!r:.100} is not the name of a header")
        if name.lower() == _OWN_HEADER:
            raise ValueError(f"{name} is of the edge's own pages: no page of another origin may send it")
    return value


def _split(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _networks(value: str) -> tuple[Network, ...]:
    """Raises ValueError that names the one that is no network."""
    return tuple(map(ip_network, _split(value)))


def _check_networks(value: str) -> str:
    _networks(value)
    return value


def _check_documents(value: Path) -> Path:
    load_documents(value)
    return value


class Settings(ServiceSettings):
    """The addresses of the edge's peers, the token that names the edge to them, and the operator's options."""

    serves_grpc: ClassVar[bool] = False
    service_token_file: Path | None = Field(default=None, validate_default=True)
    availability_address: Address
    booking_address: Address
    learning_address: Address
    payment_address: Address
    session_address: Address
    #: Stripe's key for the apps, shown with a booking to pay for. Without it, the apps must know the key themselves.
    stripe_publishable_key: Annotated[str, AfterValidator(_check_publishable_key)] | None = None
    #: The sandbox's address, for the payment form of a developer's mesh. Nothing else asks Stripe here.
    stripe_api_base: str | None = Field(default=None, pattern=r"^https?://[^/\s]+$")
    #: Web pages of these origins may call, separated by commas; "*" is every origin, empty is none.
    cors_origins: Annotated[str, AfterValidator(_check_origins)] = ""
    #: Request headers that these pages may send besides the usual ones, separated by commas.
    cors_headers: Annotated[str, AfterValidator(_check_headers)] = ""
    #: max-age of Strict-Transport-Security (RFC 6797) in seconds; 0 sends no such header, for an edge without https.
    hsts_seconds: int = Field(default=0, ge=0)
    #: Networks of proxies whose X-Forwarded-For is believed, separated by commas; empty is none.
    trusted_proxies: Annotated[str, AfterValidator(_check_networks)] = ""
    #: Free times, listed tutors and published courses may be read without a token, at a rate of their own per address.
    public_availability: bool = False
    graphql_introspection: bool = True
    #: A folder of .graphql files, or a JSON file {sha256: document}.
    persisted_operations: Annotated[Path, AfterValidator(_check_documents)] | None = None
    #: Tokens of demo people for the explorer; `make up` writes them. Production refuses the setting (mesh.production).
    demo_tokens_file: Path | None = None
    #: Refuse every other document.
    persisted_operations_only: bool = False
    #: Seconds after SIGTERM in which /readyz says 503 and requests are still taken. Load balancers need some to notice.
    drain_delay_seconds: float = Field(default=5.0, ge=0, le=60)
    #: Seconds that running requests get to finish after that.
    drain_seconds: float = Field(default=4.0, ge=0, le=60)

    @field_validator("service_token_file")
    @classmethod
    def _check_identity(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        """The edge calls other services: it needs a token, or a certificate."""
        if value is None and info.data.get("mesh_tls") != "on":
            raise PydanticCustomError("missing", "Field required")
        return value

    @property
    def sandbox_url(self) -> str | None:
        """The Stripe sandbox's address; None unless its own publishable key says that it is the provider."""
        is_sandbox = self.stripe_publishable_key == SANDBOX_KEYS["STRIPE_PUBLISHABLE_KEY"]
        return self.stripe_api_base if is_sandbox and not self.is_production else None

    def options(self) -> Options:
        """The options that these settings decide."""
        documents = load_documents(self.persisted_operations) if self.persisted_operations else {}
        return Options(
            publishable_key=self.stripe_publishable_key,
            introspection=self.graphql_introspection,
            persisted_operations=PersistedOperations(documents, only=self.persisted_operations_only),
            cors_origins=_split(self.cors_origins),
            cors_headers=tuple(name.lower() for name in _split(self.cors_headers)),
            hsts_seconds=self.hsts_seconds,
            demo_tokens_file=self.demo_tokens_file,
            trusted_proxies=_networks(self.trusted_proxies),
            sandbox_url=self.sandbox_url,
            public_availability=self.public_availability,
            is_production=self.is_production,
        )
