"""proto ↔ domain, one module per subject."""
