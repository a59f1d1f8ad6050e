"""Links to the pages of a purchase: who may open which page, without a row and without a log-in.

tokens.py     what a link says, signed
addresses.py  the addresses of pages, and whose they are
returning.py  the pages of other origins to which the page to pay on may lead
"""
