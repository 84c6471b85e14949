"""Archives → a store of frames, and what of it a network is shown."""
