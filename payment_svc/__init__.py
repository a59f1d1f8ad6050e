"""payment_svc owns payments, refunds, the payment providers, and the sagas that sell lessons and courses.

It promises: what a student paid becomes a confirmed lesson or an active enrollment, or goes back, whatever dies or
arrives late; one PaymentIntent per saga; four write transactions for each sale; nothing ended is revived.

selling/        how something is sold; start with book_and_pay.py
cancelling/     how what was sold is taken back
settling/       how we hear about money: webhooks, callbacks, inbox, late payments, reconcile
engine/         runs sagas under a lease; knows no purchase
providers/      who takes the money: Stripe, a provider that calls us back
notifications/  tells people what was committed
domain/         plain: facts, states, what is owed (owed.py), messages, refusals
store/          the SQL
convert/        proto ↔ domain
payments.py     payments as their people see them
operators.py    list, show, retry, resolve
peers.py        the services that sagas call
"""
