"""REST at the edge: JSON under /api/v1 and /payment, for other backends and for apps without GraphQL.

Every answer is an envelope, `{"success", "message", "data"}`; a failure has `"error": {"code"}` too. Names and statuses
are REST's own (`student_uuid`, `payment_required`); the rules are those of the services. `GET /openapi.json` describes
it.
"""
