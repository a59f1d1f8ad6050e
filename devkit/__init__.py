"""What only a developer's machine needs. No service imports it, and none of it runs in production.

| module | does |
|---|---|
| `launcher`, `processes/` | start a whole mesh, keep it alive, stop it in order |
| `layout`, `environment`, `ports` | ports, addresses, URLs and settings of each process |
| `preflight`, `readiness` | what is checked before a start, and when a mesh is ready |
| `postgres`, `databases` | an embedded PostgreSQL and the services' databases |
| `keys`, `issuer` | development keys and tokens |
| `demo/`, `people` | demo data and the demo lesson; the people of both, and their tokens |
| `sandbox/` | a stand-in for Stripe's server |
| `chaos/` | `make chaos` |
| `install` | makes `.venv` |
"""
