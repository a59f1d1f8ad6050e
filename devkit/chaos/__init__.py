"""`make chaos`: clients of a mesh of its own race for few lessons and seats, while faults hit its processes.

The seed decides who orders what and when, and which faults happen when. It does not decide how the processes
interleave. At the end the mesh has to quiesce by itself. The audit has to be clean, and every promise to a client has
to be kept.

| module | does |
|---|---|
| `run`, `context`, `mesh` | one run from a new mesh to its report, and the parts it acts with |
| `plan`, `orders` | what a seed decides, and what can be ordered |
| `clients/` | people, their apps and browsers, and their journeys |
| `faults`, `kill_matrix` | faults at random, and kill -9 in each state of a saga |
| `ledger` | what the clients saw, and what was found |
| `checks/` | whether the mesh quiesced, recovered in time, and kept its promises |
| `report` | the result as text |
"""
