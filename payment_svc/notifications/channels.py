"""The channels that the settings ask for."""

from __future__ import annotations

from payment_svc.notifications.email import Email, server_of
from payment_svc.notifications.notifier import Notifier
from payment_svc.notifications.webhook import Webhook
from payment_svc.settings import Settings


def channels_of(settings: Settings) -> list[Notifier]:
    """None, one or both. Their settings are whole: Settings has seen to that."""
    found: list[Notifier] = []
    if settings.notify_webhook_url and settings.notify_webhook_secret:
        secret = settings.notify_webhook_secret
        found.append(Webhook(settings.notify_webhook_url, secret, settings.notify_timeout_seconds))
    if settings.smtp_url and settings.notify_email_from and settings.notify_email_to:
        sender, to = settings.notify_email_from, settings.notify_email_to
        found.append(Email(server_of(settings.smtp_url), sender, to, settings.smtp_timeout_seconds))
    return found
