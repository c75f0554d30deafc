"""The same scan through several filters: one survey, one run for each, and what the filters change."""
