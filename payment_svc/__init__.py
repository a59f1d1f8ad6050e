"""payment_svc owns payments, refunds, Stripe, and the sagas that sell lessons; it is the only orchestrator.

It promises: what a student paid becomes a confirmed lesson or goes back, whatever dies or arrives late; one
PaymentIntent per saga; four write transactions for a sold lesson; nothing ended is revived.

sagas/              the engine, the phases every purchase goes through, and one file per saga
booking.py          BookSession, repeats included
cancelling.py       what a cancel would give back, and doing it; the first committed decision wins
quotes.py           tokens that promise a cancel's amount for 15 minutes
policy.py           how much goes back, by the hours left before the lesson
payments.py         payments as their people see them: one, a history, the live intent, the timeline
webhooks.py         the door for Stripe's events
inbox.py            events that no open saga takes: late and stray money, refunds, disputes
aftermath.py        settles an intent whose saga has ended, or that has none
reconcile.py        asks Stripe what no webhook told
operators.py        list, show, retry, resolve
stripe_gateway.py   the only file that imports stripe
store/              all the SQL
"""
