"""What the pages of a purchase show and do, for whoever has a link: the use cases of LinkService.

surroundings.py  what the peers know about it: names, time zone, meeting link, free times
checkout.py      the page to pay on
managing.py      the page to manage what was bought
"""
