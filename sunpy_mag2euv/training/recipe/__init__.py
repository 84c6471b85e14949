"""The store that the packaged weights were trained on; data of one's own needs nothing of it."""
