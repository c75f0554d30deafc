"""The accuracy bench: simulated scans with truth, other methods, scores. See docs/accuracy.md."""
