"""Stripe's objects and the operations on them: PaymentIntents, charges, refunds, disputes, lists and search."""
