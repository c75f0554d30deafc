"""Overlap as a measurement: two crystals against one at every probe, on unfiltered counts."""
