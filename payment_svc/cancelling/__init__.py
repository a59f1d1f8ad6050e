"""How what was sold is taken back. How much goes back is decided in domain/owed.py.

cancel.py             the use cases: quote and cancel; the first committed decision wins
quotes.py             tokens that promise a cancel's amount for 15 minutes
take_back.py          carries out the cancel of a completed purchase, one transition at a time
cancel_booking.py     CancelBookingSaga: how a sold lesson is taken back
cancel_enrollment.py  CancelEnrollmentSaga: how a sold seat is taken back
"""
