"""Who takes the money, and how we ask them safely.

port.py      what a provider must do
registry.py  the list of providers, and which of them an intent belongs to
stripe.py    Stripe; the only file that imports stripe
callback.py  the providers that call us back; their books are in our own tables (callback_sql.py has the statements)
sessions.py  asks such a provider for a payment session
intents.py   at most one PaymentIntent per saga, whatever was answered or lost
refunds.py   money back, once: committed first, then asked for

A new provider is one file here and one line in registry.py.
"""
