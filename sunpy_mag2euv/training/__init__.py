"""Training: archives → a weights file. Nothing else in the package imports this."""
