"""Who takes the money, and how we ask them safely.

port.py      what a provider must do
registry.py  the list of providers, and which of them an intent belongs to
stripe.py    Stripe; the only file that imports stripe
callback.py  a provider that calls us back; its books are in our own tables
intents.py   at most one PaymentIntent per saga, whatever was answered or lost
refunds.py   money back, once: committed first, then asked for

A new provider is one file here and one line in registry.py.
"""
