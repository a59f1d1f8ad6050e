"""payment_svc's settings."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AliasChoices, Field, ValidationInfo, field_validator

from mesh.settings import Address, DatabaseUrl, Secret, ServiceSettings
from payment_svc.notifications.email import parse_mail_server
from payment_svc.notifications.webhook import to_key


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


class Settings(ServiceSettings):
    """The environment of payment_svc."""

    port: int = Field(default=50052, ge=0, le=65535)
    database_url: DatabaseUrl = Field(validation_alias=AliasChoices("PAYMENT_DATABASE_URL", "DATABASE_URL"))
    availability_address: Address = "127.0.0.1:50053"
    booking_address: Address = "127.0.0.1:50051"
    session_address: Address = "127.0.0.1:50054"
    learning_address: Address = "127.0.0.1:50055"
    stripe_secret_key: Secret = Field(pattern=r"^(sk|rk)_(test|live)_\w+$")
    #: One signing secret, or several separated by commas while one replaces another.
    stripe_webhook_secret: Secret = Field(pattern=r"^whsec_[^\s,]+( *, *whsec_[^\s,]+)*$")
    stripe_api_base: str | None = Field(default=None, pattern=r"^https?://[^/\s]+$")
    stripe_timeout_seconds: float = Field(default=3.0, gt=0, le=30)
    payment_max_attempts: int = Field(default=3, ge=1, le=100)
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

    @property
    def own_stripe_host(self) -> str | None:
        """The host of a Stripe of our own, which speaks http; None for Stripe's."""
        parts = urlsplit(self.stripe_api_base or "")
        return parts.hostname if parts.scheme == "http" else None

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
