"""Edits by hand: read and written, and what they do to the crystals of a run."""
