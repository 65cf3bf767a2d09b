"""Notebook 4's room: what few labels can do, and what they are compared with."""
