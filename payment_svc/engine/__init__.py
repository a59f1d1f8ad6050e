"""The saga engine. It knows no purchase: a kind of saga is anything that can say its next transition.

definition.py  what a kind of saga must do
run.py         one run of one saga: next transition, commit, again, under a lease
engine.py      the runs of this process: start, wait for, recover, drain
"""
