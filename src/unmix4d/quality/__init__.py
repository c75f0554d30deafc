"""Image metrics and noise, on plain arrays."""
