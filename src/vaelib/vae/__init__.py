"""Notebook 2's room: the networks, their objective, training, and what is kept of it."""
