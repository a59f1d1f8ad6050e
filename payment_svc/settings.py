"""payment_svc's settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, Field, ValidationInfo, field_validator

from mesh.settings import Address, DatabaseSettings, DatabaseUrl, Hidden, Secret
from payment_svc.domain import STRIPE, PaymentEngines
from payment_svc.domain.engines import DEVELOPMENT_ENGINES
from payment_svc.domain.signing import to_key
from payment_svc.links.addresses import NO_LINKS, Links
from payment_svc.links.returning import ReturnOrigins, read_origin
from payment_svc.notifications.email import parse_mail_server
from payment_svc.providers.sessions import AskedEngine


def _check_smtp_url(value: str) -> str:
    parse_mail_server(value)
    return value


def _check_http_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or not re.fullmatch(r"[!-~]+", value):
        raise ValueError("must be an http or https URL")
    return value


#: Neither can contain what ends a mail header.
_SENDER = re.compile(r"(?:[^\x00-\x1f\x7f<>@]*<[!-~]+@[\w.-]+>|[!-~]+@[\w.-]+)", re.ASCII)
_PEOPLE = re.compile(r"[\w.+-]*\{person_id\}[\w.+-]*@[\w.-]+", re.ASCII)
SmtpUrl = Annotated[Secret, AfterValidator(_check_smtp_url)]
#: A URL may carry a token, or a user's password.
HttpUrl = Annotated[Secret, AfterValidator(_check_http_url)]


#: The name of a payment provider. It has no underscore: PAYMENT_ENGINE_<NAME>_URL would be ambiguous.
_ENGINE = r"[a-z][a-z0-9]{0,30}"
_ASKED = re.compile(r"PAYMENT_ENGINE_([A-Z][A-Z0-9]{0,30})_(URL|SECRET)")
StripeKey = Annotated[str, Field(pattern=r"^(sk|rk)_(test|live)_\w+$"), AfterValidator(Hidden)]
#: One or two.
LinkSecrets = Annotated[str, Field(pattern=r"^[^\s,]{32,}( *, *[^\s,]{32,})?$"), AfterValidator(Hidden)]
StripeSecrets = Annotated[str, Field(pattern=r"^whsec_[^\s,]+( *, *whsec_[^\s,]+)*$"), AfterValidator(Hidden)]


class Settings(DatabaseSettings):
    """The environment of payment_svc."""

    port: int = Field(default=50052, ge=0, le=65535)
    database_url: DatabaseUrl = Field(validation_alias=AliasChoices("PAYMENT_DATABASE_URL", "DATABASE_URL"))
    availability_address: Address = "127.0.0.1:50053"
    booking_address: Address = "127.0.0.1:50051"
    session_address: Address = "127.0.0.1:50054"
    learning_address: Address = "127.0.0.1:50055"
    #: The payment providers that an order may name, separated by commas. Default: all of them, in production Stripe.
    payment_engines: str | None = Field(default=None, pattern=rf"^{_ENGINE}( *, *{_ENGINE})*$")
    #: The one of an order that names none. Default: the first that is listed.
    payment_engine_default: str | None = None
    payment_engine_timeout_seconds: float = Field(default=3.0, gt=0, le=30)
    stripe_secret_key: StripeKey | None = Field(default=None, validate_default=True)
    #: One signing secret, or several separated by commas while one replaces another.
    stripe_webhook_secret: StripeSecrets | None = Field(default=None, validate_default=True)
    #: Signs the quotes of cancellations. Default: Stripe's key does.
    quote_secret: Secret | None = Field(default=None, min_length=16)
    stripe_api_base: str | None = Field(default=None, pattern=r"^https?://[^/\s]+$")
    stripe_timeout_seconds: float = Field(default=3.0, gt=0, le=30)
    payment_max_attempts: int = Field(default=3, ge=1, le=100)
    #: Where people reach the edge's pages, such as https://app.example.org. Default: there are no links to pages.
    public_url: str | None = Field(default=None, pattern=r"^https?://[^\s/?#@]+/?$", validate_default=True)
    #: Signs the links to pages; a second one is believed while the first replaces it.
    link_secret: LinkSecrets | None = Field(default=None, validate_default=True)
    #: The origins of the apps to which the page to pay on may lead, separated by commas.
    return_origins: str = ""
    cancellation_policy: str = "24h:100,2h:50"
    enrollment_policy: str = "336h:100"
    saga_lease_seconds: float = Field(default=4.0, gt=0, le=60)
    reconcile_seconds: float = Field(default=60.0, gt=0)
    forget_refused_hours: float = Field(default=24.0, ge=1)
    notify_webhook_url: HttpUrl | None = None
    notify_webhook_secret: Secret | None = Field(default=None, min_length=16, validate_default=True)
    notify_timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    notify_give_up_hours: float = Field(default=24.0, gt=0)
    smtp_url: SmtpUrl | None = None
    smtp_timeout_seconds: float = Field(default=30.0, gt=0, le=300)
    notify_email_from: str | None = Field(default=None, validate_default=True)
    notify_email_to: str | None = Field(default=None, validate_default=True)

    @field_validator("stripe_secret_key", "stripe_webhook_secret")
    @classmethod
    def _check_stripe(cls, value: str | None, info: ValidationInfo) -> str | None:
        listed = info.data.get("payment_engines")
        if value is None and (listed is None or STRIPE in _split(listed)):
            raise ValueError("is missing, and PAYMENT_ENGINES lists stripe")
        return value

    @property
    def engines(self) -> PaymentEngines:
        """What PAYMENT_ENGINES and PAYMENT_ENGINE_DEFAULT say. Raises ValueError for a default that is not listed."""
        names = _split(self.payment_engines) if self.payment_engines else DEVELOPMENT_ENGINES
        if self.payment_engines is None and self.is_production:
            names = (STRIPE,)
        default = self.payment_engine_default or names[0]
        if default not in names:
            raise ValueError(f"PAYMENT_ENGINE_DEFAULT: {default!r:.40} is not in PAYMENT_ENGINES")
        return PaymentEngines(names, default)

    @property
    def quote_key(self) -> str:
        """The secret that signs quotes. Raises ValueError in production when there is none."""
        key = self.quote_secret or self.stripe_secret_key
        if key is None and self.is_production:
            raise ValueError("QUOTE_SECRET: is missing, and there is no STRIPE_SECRET_KEY that could sign in its place")
        return key or self.database_url

    @property
    def links(self) -> Links:
        """The links that PUBLIC_URL and LINK_SECRET make. Raises ValueError in production when there are none."""
        if self.public_url is None:
            if self.is_production:
                raise ValueError("PUBLIC_URL: is missing")
            return NO_LINKS
        if self.is_production and not self.public_url.startswith("https:"):
            raise ValueError("PUBLIC_URL: must be https in production")
        return Links(self.public_url, _split(self.link_secret or ""))

    @property
    def returns(self) -> ReturnOrigins:
        """What RETURN_ORIGINS lists, and where our own pages are."""
        origins = filter(None, map(read_origin, (*_split(self.return_origins), self.public_url or "")))
        return ReturnOrigins(frozenset(origins), self.is_production)

    @property
    def own_stripe_host(self) -> str | None:
        """The host of a Stripe of our own, which speaks http; None for Stripe's."""
        parts = urlsplit(self.stripe_api_base or "")
        return parts.hostname if parts.scheme == "http" else None

    @field_validator("link_secret")
    @classmethod
    def _check_link_secret(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("public_url"):
            raise ValueError("is missing, and PUBLIC_URL is set")
        others = {info.data.get(name) for name in ("stripe_secret_key", "stripe_webhook_secret", "quote_secret")}
        if value is not None and not others.isdisjoint(_split(value)):
            raise ValueError("is another setting's secret")
        return value

    @field_validator("return_origins")
    @classmethod
    def _check_return_origins(cls, value: str) -> str:
        for origin in filter(None, _split(value)):
            found = read_origin(origin)
            if found is None or urlsplit(origin).path or urlsplit(origin).query or urlsplit(origin).fragment:
                raise ValueError(f"{origin!r:.100} is not an origin such as https://app.example.org")
        return value

    @field_validator("cancellation_policy", "enrollment_policy")
    @classmethod
    def _check_policy(cls, value: str) -> str:
        if not re.fullmatch(r"(\d{1,4}h:(100|\d{1,2}))(,\d{1,4}h:(100|\d{1,2}))*", value):
            raise ValueError("must look like 24h:100,2h:50")
        return value

    @field_validator("notify_webhook_secret")
    @classmethod
    def _check_webhook_secret(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("notify_webhook_url"):
            raise ValueError("is missing, and NOTIFY_WEBHOOK_URL is set")
        if value is not None:
            to_key(value)
        return value

    @field_validator("notify_email_from")
    @classmethod
    def _check_sender(cls, value: str | None, info: ValidationInfo) -> str | None:
        return _match(_SENDER, "must be an address, or a name and <an address>", value, info)

    @field_validator("notify_email_to")
    @classmethod
    def _check_recipient(cls, value: str | None, info: ValidationInfo) -> str | None:
        return _match(_PEOPLE, "must be an address with {person_id} before its @", value, info)


def _match(form: re.Pattern[str], words: str, value: str | None, info: ValidationInfo) -> str | None:
    if value is None and info.data.get("smtp_url"):
        raise ValueError("is missing, and SMTP_URL is set")
    if value is not None and not form.fullmatch(value):
        raise ValueError(words)
    return value


def _split(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(","))


def read_asked_engines(settings: Settings, environment: Mapping[str, str]) -> dict[str, AskedEngine]:
    """The providers that are asked for payment sessions, by name: PAYMENT_ENGINE_<NAME>_URL and its _SECRET.

    Raises ValueError that names the setting at fault, and holds no value.
    """
    given = {(found[1].lower(), found[2]): name for name in environment if (found := _ASKED.fullmatch(name))}
    engines = {engine for engine, _ in given}
    return {engine: _read_asked(settings, engine, environment) for engine in sorted(engines)}


def _read_asked(settings: Settings, engine: str, environment: Mapping[str, str]) -> AskedEngine:
    prefix = f"PAYMENT_ENGINE_{engine.upper()}"
    url, secret = environment.get(f"{prefix}_URL", ""), environment.get(f"{prefix}_SECRET", "")
    if not url:
        raise ValueError(f"{prefix}_URL: is missing, and {prefix}_SECRET is set")
    if engine == STRIPE or engine not in settings.engines.names:
        raise ValueError(f"{prefix}_URL: {engine} is not among the engines of PAYMENT_ENGINES that can be asked")
    try:
        _check_http_url(url)
        if settings.is_production and not url.startswith("https:"):
            raise ValueError("must be https in production")
    except ValueError as error:
        raise ValueError(f"{prefix}_URL: {error}") from None
    try:
        if len(secret) < 16:
            raise ValueError("must have at least 16 characters")
        to_key(secret)
    except ValueError as error:
        raise ValueError(f"{prefix}_SECRET: {error}") from None
    return AskedEngine(url, secret)
