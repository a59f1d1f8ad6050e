"""How we hear about money, and how a payment and its refunds come to their final state.

webhooks.py       the webhook door for Stripe's events
verdicts.py       what an event means to its saga, as pure functions
callbacks.py      the door for the reports of a provider that calls us back
inbox.py          events that no open saga takes
late_payments.py  settles an intent whose saga has ended, or that is not its saga's
reconcile.py      asks the providers about everything of which a webhook may be lost
"""
