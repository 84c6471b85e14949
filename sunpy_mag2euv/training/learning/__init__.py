"""A configuration and a store → a weights file, and its scores."""
