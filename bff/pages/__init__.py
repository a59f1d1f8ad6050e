"""The pages for people: HTML with strict headers, small scripts, texts in several languages. `routes.py` lists them."""
