"""The sandbox's parts, put together."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from devkit.sandbox.faults import Faults
from devkit.sandbox.idempotency import Keys
from devkit.sandbox.mail import Mailbox
from devkit.sandbox.settings import Settings
from devkit.sandbox.store import Store
from devkit.sandbox.webhooks.deliverer import Deliverer
from devkit.sandbox.webhooks.outbox import Outbox
from devkit.sandbox.wire.errors import Json


class Sandbox:
    """Everything that one running sandbox owns."""

    def __init__(self, settings: Settings) -> None:
        folder = Path(settings.data)
        folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(folder / "sandbox.sqlite3")
        self.outbox = Outbox(self.store, has_url=bool(settings.webhook_url), enabled=settings.webhook_events)
        self.faults = Faults(self.store)
        self.keys = Keys(self.store)
        self.mailbox = Mailbox(partial(print, flush=True))
        self.deliverer = Deliverer(self.store, self.outbox, settings.webhook_url, settings.webhook_secret)

    def state(self) -> Json:
        """The whole state, oldest objects first."""
        kinds = ("payment_intent", "charge", "refund", "dispute", "event")
        return {
            **{f"{kind}s": self.store.select("kind = ?", (kind,), newest=False) for kind in kinds},
            "deliveries": self.outbox.attempts(),
            "faults": self.faults.all(),
            "webhooks": {
                "mode": self.outbox.mode,
                "delay_ms": self.outbox.delay_ms,
                "queued": self.outbox.length(),
            },
        }
