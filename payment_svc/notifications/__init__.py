"""Tells people what has been committed: at least once, and in order per purchase. A slow channel delays no other.

notifier.py    the port: what a channel must do
webhook.py     signed HTTP posts to one URL
email.py       mail over SMTP, one to the student and one to the tutor
mail.py        a message as a mail: text, HTML, and the lesson for the calendar
letters.py     what a message says to a person
invitation.py  the lesson as an entry for calendars
language.py    the languages: their words are in texts/, one file each
hostile.py     text that people wrote, made fit for a mail
delivering.py  the loop: claims what is due, lets a channel send it, backs off, gives up
"""
