"""payment_svc owns payments, refunds, Stripe, and the sagas that sell lessons; it is the only orchestrator.

It promises: what a student paid becomes a confirmed lesson or an active enrollment or goes back, whatever dies or
arrives late; one PaymentIntent per saga; four write transactions for each sold; nothing ended is revived.

sagas/              the engine, the phases every purchase goes through, and one file per saga
wishes.py           one saga per wish, whatever is repeated
booking.py          BookSession: the wish for a lesson
enrolling.py        EnrollInCourse: the wish for a place in a course
cancelling.py       cancels and their quotes; the first committed decision wins
terms.py            what a cancel would give back, of a lesson and of a place
quotes.py           tokens that promise a cancel's amount for 15 minutes
policy.py           how much goes back, by the hours left before a lesson or gone since a payment
payments.py         payments as their people see them: one, a history, the live intent, the timeline
webhooks.py         the door for Stripe's events
inbox.py            events that no open saga takes: late and stray money, refunds, disputes
aftermath.py        settles an intent whose saga has ended, or that has none
reconcile.py        asks Stripe what no webhook told
operators.py        list, show, retry, resolve
notices.py          what people are told about a sale, and the lanes by which it reaches them
notifications/      telling them: webhooks, e-mail, and the loop that delivers
stripe_gateway.py   the only file that imports stripe
store/              all the SQL
"""
