"""Which channels are enough to make the others of them."""
