"""The REST door: JSON under /api/v1 and /payment, for other backends and for apps that speak no GraphQL.

Every answer is an envelope, `{"success", "message", "data"}`, a failure's with `"error": {"code"}` besides. Names and
statuses are REST's own (`student_uuid`, `payment_required`); the rules are those of the services, as at every door.
`GET /openapi.json` describes it.
"""
