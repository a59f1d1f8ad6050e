"""The sandbox's parts, put together."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from .errors import Json
from .faults import Faults
from .idempotency import Keys
from .mail import Mailbox
from .outbox import Outbox
from .settings import Settings
from .store import Store
from .webhooks import Deliverer


class Sandbox:
    """Everything one running sandbox owns."""

    def __init__(self, settings: Settings) -> None:
        folder = Path(settings.data)
        folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(folder / "sandbox.sqlite3")
        self.outbox = Outbox(self.store, sends=bool(settings.webhook_url))
        self.faults = Faults(self.store)
        self.keys = Keys(self.store)
        self.mailbox = Mailbox(partial(print, flush=True))
        self.deliverer = Deliverer(self.store, self.outbox, settings.webhook_url, settings.webhook_secret)

    def state(self) -> Json:
        """All there is, oldest first."""
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
