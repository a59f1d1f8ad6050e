"""`make chaos`: a mesh of its own under clients that race for few lessons and seats while everything around them fails.

The seed decides who asks for what, when, and what breaks when; how the processes interleave it does not. Afterwards
everything has to come to rest by itself, the audit has to be clean, and what each client was told has to be true.
"""
