"""What a process counts and measures, for Prometheus.

| module | the question it answers |
|---|---|
| `registry` | where is every metric registered, and what may a label be? |
| `rpc` | how many RPCs are served and made, how do they end, how long do they take? |
| `database` | are there connections left, and is the server well? |
| `process` | does the event loop keep up, and how long is the certificate valid? |
| `exposition` | who answers the scrapes? |

The chassis defines what every process has. A service defines its own metrics in its own `metrics.py`.
"""
