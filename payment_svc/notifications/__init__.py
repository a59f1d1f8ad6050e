"""Tells people what has been committed: at least once, and in order per purchase. A slow channel delays no other.

notifier.py    the port: what a channel must do
webhook.py     signed HTTP posts to one URL
email.py       mail over SMTP, one to the student and one to the tutor
words.py       what the mails say
delivering.py  the loop: claims what is due, lets a channel send it, backs off, gives up
"""
