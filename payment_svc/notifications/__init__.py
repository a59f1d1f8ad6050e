"""Telling people what has been committed: at least once, in order per booking, at nobody else's cost.

notifier.py    the port: what a channel must do
webhook.py     signed HTTP posts to one URL
email.py       mail over SMTP, one to the student and one to the tutor
words.py       what the mails say
channels.py    the channels that the settings ask for
delivering.py  the loop: claims what is due, lets a channel tell it, backs off, gives up
"""
