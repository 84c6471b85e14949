"""
Training: archives → a weights file. Nothing else in the package imports this.

It has four rooms, each of which imports only from those above it:

* ``data``: archives → a store of frames, and what of it a network is shown;
* ``learning``: a configuration and a store → a weights file, and its scores;
* ``study``: which channels are enough to make the others of them;
* ``recipe``: the store that the packaged weights were trained on.
"""
