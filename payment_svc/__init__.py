"""payment_svc owns payments, refunds, Stripe, and the sagas that sell lessons; it is the only orchestrator.

It promises: what a student paid becomes a confirmed lesson or goes back, whatever dies or arrives late; one
PaymentIntent per saga; four write transactions for a sold lesson; nothing ended is revived.

sagas/              the engine, the phases every purchase goes through, and one file per saga
booking.py          BookSession, repeats included
webhooks.py         the door for Stripe's events
inbox.py            events that no open saga takes: late and stray money
reconcile.py        asks Stripe what no webhook told
operators.py        list, show, retry, resolve
stripe_gateway.py   the only file that imports stripe
store/              all the SQL
"""
