"""How Stripe writes requests and answers: forms, parameters, ids and errors."""
